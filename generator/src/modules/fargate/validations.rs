//! What Fargate, ECR and CloudWatch Logs would refuse only while it is applied.

use ralph_protocol::names::worker_env;

use super::{Fargate, FargateInputs};
use crate::hcl::prelude::*;
use crate::modules::rules;

/// CPU units of a task, and the memory that goes with them in MiB: first, last, step.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>
const SIZES: [(i64, (i64, i64, i64)); 7] = [
    (256, (512, 2048, 512)),
    (512, (1024, 4096, 1024)),
    (1024, (2048, 8192, 1024)),
    (2048, (4096, 16_384, 1024)),
    (4096, (8192, 30_720, 1024)),
    (8192, (16_384, 61_440, 4096)),
    (16_384, (32_768, 122_880, 8192)),
];

pub(super) fn all(m: &mut Module<Fargate>, inputs: &FargateInputs<Fargate>) {
    let options = &inputs.options;
    rules::topic(m, &options.alarm_topic_arn);
    rules::key(m, &options.kms_key_arn);
    rules::role_path(m, &options.role_path);
    rules::between(
        m,
        &options.images_kept,
        (1, 10_000),
        "The repository keeps 1 to 10000 images.",
        0,
    );
    rules::between(
        m,
        &options.untagged_image_days,
        (1, 3650),
        "Images without a tag are kept for 1 to 3650 days.",
        0,
    );
    for function in [&inputs.admit_function_arn, &inputs.decide_function_arn] {
        rules::form(
            m,
            function,
            "^arn:[^:]+:lambda:[^:]+:[0-9]+:function:[A-Za-z0-9_-]+$",
            "The function is named by its ARN.",
            arn!["ralph-example-admit"],
        );
    }
    rules::secret(m, &inputs.anthropic_keys_arn);
    rules::form(
        m,
        &inputs.cluster_name,
        "^[A-Za-z0-9_-]{1,255}$",
        "A cluster's name has 1 to 255 letters, digits, hyphens and underscores.",
        "ralph dev",
    );
    rules::one_of(
        m,
        &inputs.cpu_architecture,
        ["X86_64", "ARM64"],
        "The architecture is X86_64 or ARM64.",
        "x86_64",
    );
    let secrets: Expr<Fargate, List<Text>> =
        [worker_env::ANTHROPIC_KEYS, worker_env::GIT_TOKEN].into();
    let names = func::keys(&inputs.environment);
    let open = names.map("name", |name| {
        rules::matches(&name, "^RALPH_[A-Z_]+$").and(func::contains(secrets, name).negate())
    });
    m.validate(
        &inputs.environment,
        &func::all_true(open),
        "The environment holds variables RALPH_… of the worker and no secret: those come from Secrets Manager.",
        map([(worker_env::GIT_TOKEN, "ghp_x".into())]),
    );
    rules::between(
        m,
        &inputs.ephemeral_storage_gib,
        (21, 200),
        "Fargate gives a task 21 to 200 GiB of scratch space.",
        20,
    );
    rules::secret(m, &inputs.git_token_arn);
    let digest = &inputs.image_digest;
    m.validate(
        digest,
        &digest.is_null().or(rules::matches(digest.set(), "^sha256:[0-9a-f]{64}$")),
        "A digest is sha256: and 64 hexadecimal digits, or null.",
        Expr::<Constant, Text>::from("sha256:latest"),
    );
    rules::form(
        m,
        &inputs.image_tag,
        "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        "A tag has 1 to 128 letters, digits and the characters _ . and -.",
        "0.1.0+build",
    );
    m.validate(
        &inputs.image_tag,
        &inputs.image_tag.differs("latest"),
        "Tags cannot be moved here, so latest could be pushed once only: name a version.",
        "latest",
    );
    rules::log_group(m, &inputs.log_group_name);
    rules::retention(m, &inputs.log_retention_in_days);
    rules::boundary(m, &inputs.permissions_boundary_arn);
    rules::region(m, &inputs.region);
    rules::form(
        m,
        &inputs.repository_name,
        "^[a-z0-9]+([._/-][a-z0-9]+)*$",
        "A repository's name has lower-case letters and digits, with single characters . _ - / between them.",
        "Ralph",
    );
    rules::form(
        m,
        &inputs.state_machine_name,
        "^[A-Za-z0-9_-]{1,80}$",
        "A state machine's name has 1 to 80 letters, digits, hyphens and underscores.",
        "ralph workstream",
    );
    let subnets = &inputs.subnet_ids;
    let ids = subnets.map("id", |id| rules::matches(id, "^subnet-[0-9a-f]+$"));
    m.validate(
        subnets,
        &func::all_true(ids).and(func::length(subnets).at_least(1)),
        "Tasks need subnets, each named by its id, such as subnet-0123456789abcdef0.",
        vec![Expr::from_configuration("vpc-0123456789abcdef0")],
    );
    rules::form(
        m,
        &inputs.worker_security_group_id,
        "^sg-[0-9a-f]+$",
        "A security group is named by its id, such as sg-0123456789abcdef0.",
        Expr::<Constant, SecurityGroupId>::from_configuration("worker"),
    );
    let units: Vec<Expr<Fargate, Number>> = SIZES.map(|(cpu, _)| cpu.into()).into();
    m.validate(
        &inputs.task_cpu,
        &func::contains(units, &inputs.task_cpu),
        "Fargate has tasks of 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units.",
        1000,
    );
    rules::form(
        m,
        &inputs.task_family,
        "^[A-Za-z0-9_-]{1,255}$",
        "A family has 1 to 255 letters, digits, hyphens and underscores.",
        "ralph worker",
    );
}

/// Whether Fargate has a task of this size.
pub(super) fn size(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
) -> Expr<Fargate, Bool> {
    let sizes = m.local_because(
        "fargate_memory",
        "MiB of memory that Fargate offers with each number of CPU units.",
        map(SIZES.map(|(cpu, (first, last, step))| {
            (cpu.to_string(), func::range(first, last + 1, step))
        })),
    );
    let with_cpu = func::lookup(sizes, func::to_string(&inputs.task_cpu), Vec::new());
    // 1536 MiB go with no number of CPU units, 256 of them included.
    let offered = func::contains(with_cpu, &inputs.task_memory);
    offered.and(inputs.task_memory.differs(1536))
}
