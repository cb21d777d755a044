//! What names may be: an environment's own, and those AWS makes of it.

use ralph_protocol::names::{Handler, Resources};

/// The form of an environment's name, for editors; [`environment`] is the rule.
pub(super) const ENVIRONMENT: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?$";

/// Whether a text can be an environment's name, or why not.
pub(super) fn environment(name: &str) -> Result<(), &'static str> {
    const FORM: &str =
        "lower-case letters, digits and `-`, beginning with a letter and not ending in `-`";
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if first && rest && !name.ends_with('-') { Ok(()) } else { Err(FORM) }
}

/// Names of an environment that AWS limits: what, the name, most characters.
pub(super) fn limited(names: &Resources) -> Vec<(&'static str, String, usize)> {
    let mut all = vec![
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        ("an IAM role", format!("{}-execution", names.task_family()), 64),
        ("a cluster", names.cluster(), 255),
        ("an image repository", names.ecr_repository(), 256),
        ("a state machine", names.state_machine(), 80),
        ("a table", names.table(), 255),
        ("an API's stage", names.environment().to_owned(), 128),
    ];
    all.extend(
        Handler::ALL.map(|handler| ("a function and its role", names.function(handler), 64)),
    );
    all
}

/// Names that would be taken twice if both environments stood in one account and region.
pub(super) fn shared(a: &Resources, b: &Resources) -> Vec<String> {
    let of = |names: &Resources| {
        let mut all: Vec<(&str, String)> =
            limited(names).into_iter().map(|(what, name, _)| (what, name)).collect();
        all.push(("a log group", names.log_group()));
        all
    };
    // A cluster and a repository may share a name; two of a kind may not.
    let others = of(b);
    let both = of(a).into_iter().filter(|name| others.contains(name));
    let mut both: Vec<String> = both.map(|(_, name)| name).collect();
    both.sort();
    both
}
