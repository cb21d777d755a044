//! What variables of several modules must hold, each refused with a sentence that says what to do.

use crate::config::keys::RETENTIONS;
use crate::hcl::prelude::*;

/// Whether a text matches a pattern.
pub(super) fn matches<M>(text: impl Into<Expr<M, Text>>, pattern: &str) -> Expr<M, Bool> {
    func::can::<M, Text>(func::regex::<M>(pattern, text))
}

/// A name as a local: as it is, or where it has more characters than `most`, cut and with eight digits
/// of its hash, so that two long names stay two.
pub(super) fn short<M>(
    m: &mut Module<M>,
    local: &str,
    why: &str,
    name: &Expr<M, Text>,
    most: i64,
) -> Expr<M, Text> {
    let hash = func::substr(func::sha1(name), 0, 8);
    let cut = text![func::substr(name, 0, most - 9), "-", hash];
    m.local_because(local, why, func::text_length(name).greater(most).choose::<Text>(cut, name))
}

/// A text of a form.
pub(super) fn form<M, T>(
    m: &mut Module<M>,
    variable: &Expr<M, T>,
    pattern: &str,
    message: &str,
    refuses: impl Into<Expr<Constant, T>>,
) where
    for<'a> Expr<M, Text>: From<&'a Expr<M, T>>,
{
    m.validate(variable, &matches(Expr::from(variable), pattern), message, refuses);
}

/// One of a few words.
pub(super) fn one_of<M, const N: usize>(
    m: &mut Module<M>,
    variable: &Expr<M, Text>,
    words: [&str; N],
    message: &str,
    refuses: &str,
) {
    let words: Expr<M, List<Text>> = words.into();
    m.validate(variable, &func::contains(words, variable), message, refuses);
}

/// Each item is one of a few words.
pub(super) fn some_of<M, const N: usize>(
    m: &mut Module<M>,
    variable: &Expr<M, List<Text>>,
    words: [&str; N],
    message: &str,
    refuses: &str,
) {
    let words: Expr<M, List<Text>> = words.into();
    let each = variable.map("item", |item| func::contains(words, item));
    m.validate(variable, &func::all_true(each), message, [refuses]);
}

/// A whole number from `low` to `high`.
pub(super) fn between<M>(
    m: &mut Module<M>,
    variable: &Expr<M, Number>,
    (low, high): (i64, i64),
    message: &str,
    refuses: i64,
) {
    let whole = variable.modulo(1).equals(0);
    let holds = variable.at_least(low).and(variable.at_most(high)).and(whole);
    m.validate(variable, &holds, message, refuses);
}

/// What names begin with: the longest name that is made of it is a role's, of 64 characters.
pub(super) fn name<M>(m: &mut Module<M>, variable: &Expr<M, Text>) {
    form(
        m,
        variable,
        "^[a-z][a-z0-9-]{0,47}$",
        "The name has at most 48 lower-case letters, digits and hyphens and begins with a letter: what is appended to it must fit into the 64 characters of a role's name.",
        "Ralph Dev",
    );
}

pub(super) fn region<M>(m: &mut Module<M>, variable: &Expr<M, Text>) {
    form(
        m,
        variable,
        "^[a-z]{2}(-[a-z]+)+-[0-9]$",
        "The Region is given by its code, such as us-east-1.",
        "Virginia",
    );
}

/// Days that CloudWatch Logs accepts.
pub(super) fn retention<M>(m: &mut Module<M>, variable: &Expr<M, Number>) {
    let days: Vec<Expr<M, Number>> = RETENTIONS.iter().map(|days| Expr::from(*days)).collect();
    let list = RETENTIONS.map(|days| days.to_string()).join(", ");
    m.validate(
        variable,
        &func::contains(days, variable),
        &format!("CloudWatch Logs keeps lines for one of these numbers of days: {list}."),
        10,
    );
}

pub(super) fn boundary<M>(m: &mut Module<M>, variable: &Expr<M, Opt<Arn>>) {
    m.validate(
        variable,
        &variable.is_null().or(matches(variable.set(), "^arn:[^:]+:iam::[0-9a-z]+:policy/.+$")),
        "The boundary is the ARN of an IAM policy, or null.",
        arn!["arn:aws:iam::123456789012:role/not-a-policy"],
    );
}

pub(super) fn role_path<M>(m: &mut Module<M>, variable: &Expr<M, Text>) {
    form(
        m,
        variable,
        "^/([!-~]+/)?$",
        "A role's path begins and ends with a slash, such as / or /ralph/.",
        "ralph",
    );
}

pub(super) fn key<M>(m: &mut Module<M>, variable: &Expr<M, Opt<Arn>>) {
    m.validate(
        variable,
        &variable.is_null().or(matches(variable.set(), "^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$")),
        "The key is named by its ARN, not by an alias: some services accept nothing else.",
        arn!["arn:aws:kms:us-east-1:123456789012:alias/ralph"],
    );
}

/// The topic that alarms go to.
pub(super) fn topic<M>(m: &mut Module<M>, variable: &Expr<M, Opt<Arn>>) {
    m.validate(
        variable,
        &variable.is_null().or(matches(variable.set(), "^arn:[^:]+:sns:[^:]+:[0-9]+:[^:]+$")),
        "The topic is the ARN of an SNS topic, or null.",
        arn!["arn:aws:sqs:us-east-1:123456789012:alarms"],
    );
}

/// The ARN of a secret.
pub(super) fn secret<M>(m: &mut Module<M>, variable: &Expr<M, Arn>) {
    form(
        m,
        variable,
        "^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:.+$",
        "A secret is named by its ARN.",
        arn!["ralph/dev/git-token"],
    );
}

/// The name of a log group.
pub(super) fn log_group<M>(m: &mut Module<M>, variable: &Expr<M, Text>) {
    form(
        m,
        variable,
        "^[A-Za-z0-9_/.#-]{1,512}$",
        "A log group's name has 1 to 512 letters, digits and the characters _ - / . #.",
        "work streams",
    );
}
