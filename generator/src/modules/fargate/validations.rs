//! What Fargate, ECR and CloudWatch Logs would refuse only while it is applied.

use ralph_protocol::{
    execution::{CPU_UNITS, memory_sizes},
    names::worker_env,
};

use super::{Fargate, Image, Inputs, This, Value, rules};
use crate::hcl::prelude::*;

pub(super) fn all(m: &mut This, inputs: &Inputs) {
    let secrets: Value<List<Text>> = [worker_env::ANTHROPIC_KEYS, worker_env::GIT_TOKEN].into();
    let open = func::keys(&inputs.environment).map("name", |name| {
        let own = rules::matches(&name, "^RALPH_[A-Z_]+$")
            .and(func::contains(secrets, &name).negate())
            .and(rules::matches(&name, &format!("^{}", worker_env::AGENT_SECRET)).negate());
        own.or(rules::matches(&name, &format!("^{}{VARIABLE}$", worker_env::AGENT_VARIABLE)))
    });
    m.validate(
        &inputs.environment,
        &func::all_true(open),
        "have names that begin with RALPH_ and continue with capital letters and underscores, or that are RALPH_AGENT_ENV_ and the name of a variable; but not RALPH_ANTHROPIC_KEYS, RALPH_GIT_TOKEN or RALPH_AGENT_SECRET_…: secrets come from Secrets Manager",
        map([(worker_env::GIT_TOKEN, "ghp_x".into())]),
    );
    let functions = &inputs.functions;
    for arn in [&functions.admit_arn, &functions.decide_arn] {
        rules::form(
            m,
            arn,
            "^arn:[^:]+:lambda:[^:]+:[0-9]+:function:[A-Za-z0-9_-]+$",
            "be the ARN of a Lambda function",
            arn!["ralph-example-admit"],
        );
    }
    image(m, &inputs.image);
    rules::key(m, &inputs.kms_key_arn);
    rules::retention(m, &inputs.log_retention_in_days);
    rules::topic(m, &inputs.monitoring.alarm_topic_arn);
    for name in [&inputs.names.cluster, &inputs.names.task_family] {
        let must = "have 1 to 255 letters, digits, hyphens and underscores";
        rules::form(m, name, "^[A-Za-z0-9_-]{1,255}$", must, "ralph dev");
    }
    rules::log_group(m, &inputs.names.log_group);
    rules::state_machine(m, &inputs.names.state_machine);
    rules::form(
        m,
        &inputs.network.security_group_id,
        "^sg-[0-9a-f]+$",
        "be the id of a security group, such as sg-0123456789abcdef0",
        Expr::<Constant, SecurityGroupId>::from_configuration("worker"),
    );
    let subnets = &inputs.network.subnet_ids;
    let ids = subnets.map("id", |id| rules::matches(id, "^subnet-[0-9a-f]+$"));
    let all = func::all_true(ids).and(func::length(subnets).at_least(1));
    m.validate(
        subnets,
        &func::or_false(all),
        "be one or more ids of subnets, such as subnet-0123456789abcdef0",
        vec![Expr::from_configuration("vpc-0123456789abcdef0")],
    );
    rules::region(m, &inputs.region);
    rules::roles(m, &inputs.roles);
    rules::secret(m, &inputs.secrets.anthropic_keys_arn);
    rules::secret(m, &inputs.secrets.git_token_arn);
    agent_secrets(m, &inputs.secrets.agent_arns);
    let task = &inputs.task;
    rules::one_of(m, &task.architecture, ["X86_64", "ARM64"], "x86_64");
    let units: Vec<Value<Number>> = CPU_UNITS.map(Expr::from).into();
    let must = format!("be one of {}", rules::listed(&CPU_UNITS));
    m.validate(&task.cpu, &func::contains(units, &task.cpu), &must, 1000);
    rules::between(m, &task.storage_gib, (21, 200));
}

fn image(m: &mut This, image: &Image<Fargate>) {
    rules::optional_form(
        m,
        &image.digest,
        "^sha256:[0-9a-f]{64}$",
        "be sha256: and 64 hexadecimal digits, or null",
        Expr::<Constant, Text>::from("sha256:latest"),
    );
    rules::between(m, &image.kept, (1, 10_000));
    rules::form(
        m,
        &image.repository,
        "^[a-z0-9]+([._/-][a-z0-9]+)*$",
        "have lower-case letters and digits, with single characters . _ - or / between them",
        "Ralph",
    );
    let form = rules::matches(&image.tag, "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$");
    m.validate(
        &image.tag,
        &form.and(image.tag.differs("latest")),
        "have 1 to 128 letters, digits and the characters _ . and -, and must not be latest: a tag can be pushed only once",
        "latest",
    );
    rules::between(m, &image.untagged_days, (1, 3650));
    rules::optional_form(
        m,
        &image.credentials_arn,
        rules::SECRET,
        "be the ARN of a secret in Secrets Manager, or null",
        arn!["ralph/dev/registry"],
    );
    let uri = image.uri.set();
    let named = rules::matches(
        &uri,
        "^[a-zA-Z0-9._:/-]+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$",
    )
    .and(rules::matches(&uri, "(:latest|:[0-9]+/[^:@]+)$").negate());
    m.validate(
        &image.uri,
        &image.uri.is_null().or(named),
        "be the name of an image with a tag other than latest or with a digest, or null: a run must know what it runs",
        Expr::<Constant, Text>::from("ghcr.io/team/worker:latest"),
    );
}

/// The name of a variable, which the worker checks further.
const VARIABLE: &str = "[A-Za-z_][A-Za-z0-9_]*";

fn agent_secrets(m: &mut This, arns: &Value<Map<Arn>>) {
    let names =
        func::keys(arns).map("name", |name| rules::matches(&name, &format!("^{VARIABLE}$")));
    let form = format!("{}(:[^:]*:[^:]*:[^:]*)?$", rules::SECRET.trim_end_matches('$'));
    let values = func::values(arns).map("arn", |arn| rules::matches(&arn, &form));
    m.validate(
        arns,
        &func::all_true(func::concat(names, values)),
        "have names of variables, and the ARN of a secret in Secrets Manager for each, perhaps with :json-key:version-stage:version-id behind it",
        map([("DATABASE_URL", arn!["arn:aws:ssm:us-east-1:123456789012:parameter/database"])]),
    );
}

/// The memory that Fargate offers with the number of CPU units.
pub(super) fn memory(m: &mut This, inputs: &Inputs) -> Value<List<Number>> {
    let sizes = CPU_UNITS.map(|cpu| {
        let sizes = memory_sizes(cpu).into_iter().map(Expr::from).collect();
        (cpu.to_string(), sizes)
    });
    let why = "MiB of memory that Fargate offers with each number of CPU units.";
    let sizes = m.local_because("fargate_memory", why, map(sizes));
    func::lookup(sizes, func::to_string(&inputs.task.cpu), Vec::new())
}
