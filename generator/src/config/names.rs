//! What follows from an environment's name: the names that AWS sees, and the address range.

use ralph_protocol::names::{Handler, Resources};

/// Names of an environment that AWS limits: what, the name, most characters.
pub(super) fn limited(names: &Resources) -> Vec<(&'static str, String, usize)> {
    let mut all = vec![
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
        ("an IAM role", format!("{}-execution", names.task_family()), 64),
        ("a cluster", names.cluster(), 255),
        ("an image repository", names.ecr_repository(), 256),
        ("a state machine", names.state_machine(), 80),
        ("a table", names.table(), 255),
        // https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
        ("a topic", names.executions_topic(), 256),
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
        let limited = limited(names).into_iter().map(|(what, name, _)| (what, name));
        limited.chain([("a log group", names.log_group())]).collect::<Vec<_>>()
    };
    // A cluster and a repository may share a name; two of a kind may not.
    let others = of(b);
    let both = of(a).into_iter().filter(|name| others.contains(name));
    let mut both: Vec<String> = both.map(|(_, name)| name).collect();
    both.sort();
    both
}

/// The address range of an environment that names none. Apart from dev's and prod's it follows from
/// the name alone (FNV-1a), so that adding an environment moves no other one.
pub(super) fn range(environment: &str) -> String {
    let second = match environment {
        "dev" => 20,
        "prod" => 30,
        other => {
            let hash = other.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            });
            64 + hash % 64
        }
    };
    format!("10.{second}.0.0/16")
}
