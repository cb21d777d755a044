//! What inputs of several modules must hold, each refused with a sentence that says what to give.

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
    input: &Expr<M, T>,
    pattern: &str,
    must: &str,
    refuses: impl Into<Expr<Constant, T>>,
) where
    for<'a> Expr<M, Text>: From<&'a Expr<M, T>>,
{
    m.validate(input, &matches(Expr::from(input), pattern), must, refuses);
}

/// A text of a form, or null.
pub(super) fn optional_form<M, T>(
    m: &mut Module<M>,
    input: &Expr<M, Opt<T>>,
    pattern: &str,
    must: &str,
    refuses: impl Into<Expr<Constant, Opt<T>>>,
) where
    for<'a> Expr<M, Text>: From<&'a Expr<M, T>>,
{
    let holds = input.is_null().or(matches(Expr::from(&input.set()), pattern));
    m.validate(input, &holds, must, refuses);
}

/// One of a few words.
pub(super) fn one_of<M, const N: usize>(
    m: &mut Module<M>,
    input: &Expr<M, Text>,
    words: [&str; N],
    refuses: &str,
) {
    let must = format!("be {}", listed(&words));
    let words: Expr<M, List<Text>> = words.into();
    m.validate(input, &func::contains(words, input), &must, refuses);
}

/// Whether each item is one of a few words.
pub(super) fn are_of<M, const N: usize>(
    items: impl Into<Expr<M, List<Text>>>,
    words: [&str; N],
) -> Expr<M, Bool> {
    func::length(func::set_subtract(items, words)).equals(0)
}

/// A whole number from `low` to `high`.
pub(super) fn between<M>(m: &mut Module<M>, input: &Expr<M, Number>, (low, high): (i64, i64)) {
    let whole = func::floor(input).equals(input);
    let holds = input.at_least(low).and(input.at_most(high)).and(whole);
    m.validate(input, &holds, &format!("be a whole number from {low} to {high}"), low - 1);
}

/// What names begin with: the longest name that is made of it is a role's, of 64 characters.
pub(super) fn name<M>(m: &mut Module<M>, input: &Expr<M, Text>) {
    form(
        m,
        input,
        "^[a-z][a-z0-9-]{0,47}$",
        "begin with a lower-case letter and have at most 48 lower-case letters, digits and hyphens: a role's name is made of it",
        "Ralph Dev",
    );
}

pub(super) fn region<M>(m: &mut Module<M>, input: &Expr<M, Text>) {
    form(
        m,
        input,
        "^[a-z]{2}(-[a-z]+)+-[0-9]$",
        "be the code of a Region, such as us-east-1",
        "Virginia",
    );
}

/// Days that CloudWatch Logs accepts.
pub(super) fn retention<M>(m: &mut Module<M>, input: &Expr<M, Number>) {
    let days: Vec<Expr<M, Number>> = RETENTIONS.iter().map(|days| Expr::from(*days)).collect();
    m.validate(
        input,
        &func::contains(days, input),
        &format!("be one of {}, the days that CloudWatch Logs offers", listed(&RETENTIONS)),
        10,
    );
}

/// `1, 2 or 3`
pub(super) fn listed(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match &*items {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        items => items.concat(),
    }
}

/// Path and boundary of roles.
pub(super) fn roles<M>(m: &mut Module<M>, roles: &super::Roles<M>) {
    form(
        m,
        &roles.path,
        "^/([!-~]+/)?$",
        "begin and end with a slash, such as / or /ralph/",
        "ralph",
    );
    optional_form(
        m,
        &roles.permissions_boundary_arn,
        "^arn:[^:]+:iam::[0-9a-z]+:policy/.+$",
        "be the ARN of an IAM policy, or null",
        arn!["arn:aws:iam::123456789012:role/not-a-policy"],
    );
}

pub(super) fn key<M>(m: &mut Module<M>, input: &Expr<M, Opt<Arn>>) {
    optional_form(
        m,
        input,
        "^arn:[^:]+:kms:[^:]+:[0-9]+:key/.+$",
        "be the ARN of a KMS key, not of an alias, or null",
        arn!["arn:aws:kms:us-east-1:123456789012:alias/ralph"],
    );
}

/// The topic that alarms go to.
pub(super) fn topic<M>(m: &mut Module<M>, input: &Expr<M, Opt<Arn>>) {
    optional_form(
        m,
        input,
        "^arn:[^:]+:sns:[^:]+:[0-9]+:[^:]+$",
        "be the ARN of an SNS topic, or null",
        arn!["arn:aws:sqs:us-east-1:123456789012:alarms"],
    );
}

/// The topic as a list, which alarms take.
pub(super) fn alarm_actions<M>(m: &mut Module<M>, topic: &Expr<M, Opt<Arn>>) -> Expr<M, List<Arn>> {
    m.local_here(
        "alarm_actions",
        "An alarm without a topic is seen in the console only.",
        topic.is_null().choose::<List<Arn>>(Vec::new(), vec![topic.set()]),
    )
}

/// The form of a secret's ARN.
pub(super) const SECRET: &str =
    "^arn:[^:]+:secretsmanager:[^:]+:[0-9]+:secret:[A-Za-z0-9/_+=.@!-]+$";

/// The ARN of a secret.
pub(super) fn secret<M>(m: &mut Module<M>, input: &Expr<M, Arn>) {
    form(
        m,
        input,
        SECRET,
        "be the ARN of a secret in Secrets Manager",
        arn!["ralph/dev/git-token"],
    );
}

/// The name of a log group.
pub(super) fn log_group<M>(m: &mut Module<M>, input: &Expr<M, Text>) {
    form(
        m,
        input,
        "^[A-Za-z0-9_/.#-]{1,512}$",
        "have 1 to 512 letters, digits and the characters _ - / . #",
        "work streams",
    );
}

/// The name of a state machine.
pub(super) fn state_machine<M>(m: &mut Module<M>, input: &Expr<M, Text>) {
    form(
        m,
        input,
        "^[A-Za-z0-9_-]{1,80}$",
        "have 1 to 80 letters, digits, hyphens and underscores",
        "ralph workstream",
    );
}
