//! What a workstream runs on: cluster, task definition, image repository, log group, roles, and the
//! state machine that starts its runs.

mod state_machine;
mod validations;
mod watch;

use ralph_protocol::names::{CONTAINER, FARGATE, FARGATE_SPOT, worker_env};

use crate::aws::ecr::{Encryption, ImageScanning, LifecyclePolicy, Repository, RepositoryRef};
use crate::aws::ecs::{
    Cluster, ClusterCapacityProviders, ClusterRef, EphemeralStorage, RuntimePlatform, Setting,
    Strategy, TaskDefinition, TaskDefinitionRef, Volume,
};
use crate::aws::iam::{Role, RolePolicy, RoleRef};
use crate::aws::logs::{LogGroup, LogGroupRef};
use crate::hcl::prelude::*;
use crate::modules::rules;
use crate::skips;

/// The module `fargate`.
pub struct Fargate;

/// Where the worker may write, each a volume over the read-only root. The image declares them as
/// volumes owned by [`USER`], because a bind mount on Fargate otherwise belongs to root.
pub const WRITABLE: [(&str, &str); 2] = [("workspace", "/workspace"), ("tmp", "/tmp")];
/// The worker's user and group.
pub const USER: &str = "10001:10001";

inputs! {
    /// What the module `fargate` is told.
    pub struct FargateInputs {
        /// ARN of the function that lets an execution begin.
        admit_function_arn: Arn,
        /// ARN of the secret with the keys of the model's service.
        anthropic_keys_arn: Arn,
        /// Whether a task gets a public address, which it needs in a subnet without NAT.
        assign_public_ip: Bool,
        /// Name of the cluster.
        cluster_name: Text,
        /// Processor architecture of the image: X86_64 or ARM64.
        cpu_architecture: Text,
        /// ARN of the function that says what follows each run.
        decide_function_arn: Arn,
        /// Environment of the worker: the defaults that a run may override.
        environment: Map<Text>,
        /// Scratch space of a task in GiB: 21 to 200; the first 20 are free.
        ephemeral_storage_gib: Number,
        /// Whether destroying the repository deletes its images.
        force_delete_images: Bool,
        /// ARN of the secret with the git credential.
        git_token_arn: Arn,
        /// Digest of the image (sha256:…) to pin what the tag names; null trusts the tag, which cannot be moved.
        image_digest: Opt<Text>,
        /// Tag of the image.
        image_tag: Text,
        /// Name of the log group that gets the workers' lines.
        log_group_name: Text,
        /// Days that the log group keeps a line.
        log_retention_in_days: Number,
        /// Policy that bounds what the roles can ever do; null for none.
        permissions_boundary_arn: Opt<Arn>,
        /// Region of the cluster.
        region: Text,
        /// Name of the image repository.
        repository_name: Text,
        /// Name of the state machine.
        state_machine_name: Text,
        /// Subnets of the tasks.
        subnet_ids: List<SubnetId>,
        /// CPU units of a task.
        task_cpu: Number,
        /// Family of the task definition.
        task_family: Text,
        /// MiB of memory of a task.
        task_memory: Number,
        /// Security group of the tasks.
        worker_security_group_id: SecurityGroupId,
    }
    /// What the module `fargate` may be told.
    pub struct FargateOptions {
        /// ARN of the SNS topic that the alarm goes to; null shows it in the console only.
        alarm_topic_arn: Opt<Arn>,
        /// Whether there is an alarm for failed executions.
        alarms: Bool = false,
        /// Whether ECS measures each task; the metrics are billed.
        container_insights: Bool = false,
        /// Images that the repository keeps.
        images_kept: Number = 30,
        /// Key that encrypts logs and images; null for AWS's own. The key's policy must let CloudWatch Logs use it.
        kms_key_arn: Opt<Arn>,
        /// Path of the roles.
        role_path: Text = "/",
        /// Days after which an image without a tag is deleted.
        untagged_image_days: Number = 1,
    }
}

outputs! {
    /// What the module `fargate` tells.
    pub struct FargateOutputs {
        /// ARN of the cluster.
        cluster_arn: Arn,
        /// Name of the cluster.
        cluster_name: Text,
        /// ARN of the workers' log group.
        log_group_arn: Arn,
        /// Name of the workers' log group.
        log_group_name: Text,
        /// URL of the image repository.
        repository_url: Url,
        /// ARN of the state machine.
        state_machine_arn: Arn,
        /// ARN of the task definition with its revision.
        task_definition_arn: Arn,
        /// The image that is pushed: repository and tag.
        worker_image: Text,
    }
}

impl Published for Fargate {
    fn example() -> FargateInputs<Constant> {
        FargateInputs {
            admit_function_arn: arn![
                "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-admit"
            ],
            anthropic_keys_arn: arn![
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/anthropic-keys-a1b2c3"
            ],
            assign_public_ip: true.into(),
            cluster_name: "ralph-example".into(),
            cpu_architecture: "X86_64".into(),
            decide_function_arn: arn![
                "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-decide"
            ],
            environment: map([(worker_env::MAX_ITERATIONS, "50".into())]),
            ephemeral_storage_gib: 21.into(),
            force_delete_images: true.into(),
            git_token_arn: arn![
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/git-token-a1b2c3"
            ],
            image_digest: Expr::null(),
            image_tag: "0.1.0".into(),
            log_group_name: "/ralph/example/workstreams".into(),
            log_retention_in_days: 7.into(),
            permissions_boundary_arn: Expr::null(),
            region: "us-east-1".into(),
            repository_name: "ralph-example-worker".into(),
            state_machine_name: "ralph-example-workstream".into(),
            subnet_ids: [Expr::from_configuration("subnet-0123456789abcdef0")].into(),
            task_cpu: 1024.into(),
            task_family: "ralph-example-worker".into(),
            task_memory: 2048.into(),
            worker_security_group_id: Expr::from_configuration("sg-0123456789abcdef0"),
            options: FargateOptions::default(),
        }
    }
}

impl Definition for Fargate {
    const NAME: &'static str = "fargate";
    const ABOUT: &'static str = "What a workstream runs on.";
    type Inputs<M> = FargateInputs<M>;
    type Outputs<M> = FargateOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: FargateInputs<Self>) -> FargateOutputs<Self> {
        validations::all(m, &inputs);
        let repository = repository(m, &inputs);
        let cluster = cluster(m, &inputs);
        let logs = m.add(
            LogGroup::new("workstreams")
                .skip(&skips::SHORT_RETENTION)
                .skip(&skips::LOG_KEY)
                .name(&inputs.log_group_name)
                .retention_in_days(&inputs.log_retention_in_days)
                .kms_key_id(&inputs.options.kms_key_arn),
        );
        m.file("iam.tf");
        let roles = rules::short(
            m,
            "role_prefix",
            "A role's name has at most 64 characters, a family 255.",
            &inputs.task_family,
            54,
        );
        let execution = execution_role(m, (&inputs, &roles), &repository, &logs, &cluster);
        let task = m.add(
            role("task", (&inputs, &roles), "task", &cluster)
                .why("The agent is untrusted code: its role exists and may do nothing."),
        );
        let image =
            m.local("worker_image", text![repository.repository_url(), ":", &inputs.image_tag]);
        let task_definition =
            task_definition(m, &inputs, &repository, &logs, &image, (&execution, &task));
        let around = state_machine::Around {
            cluster: &cluster,
            task_definition: &task_definition,
            execution: &execution,
            task: &task,
        };
        let state_machine = state_machine::add(m, &inputs, &around);
        watch::alarm(m, &inputs, &state_machine);
        cases(m, &inputs, &cluster, &task_definition, &execution);
        FargateOutputs {
            cluster_arn: cluster.arn(),
            cluster_name: cluster.name(),
            log_group_arn: logs.arn(),
            log_group_name: logs.name(),
            repository_url: repository.repository_url(),
            state_machine_arn: state_machine.arn(),
            task_definition_arn: task_definition.arn(),
            worker_image: image,
        }
    }
}

fn repository(m: &mut Module<Fargate>, inputs: &FargateInputs<Fargate>) -> RepositoryRef<Fargate> {
    m.file("ecr.tf");
    let options = &inputs.options;
    let key = &options.kms_key_arn;
    let repository = m.add(
        Repository::new("worker")
            .skip(&skips::IMAGE_KEY)
            .name(&inputs.repository_name)
            .image_tag_mutability("IMMUTABLE")
            .force_delete(&inputs.force_delete_images)
            .image_scanning_configuration(ImageScanning::default().scan_on_push(true))
            .encryption_configuration(
                Encryption::default()
                    .encryption_type(key.is_null().choose::<Text>("AES256", "KMS"))
                    .kms_key(key),
            ),
    );
    let rule = |priority: i32, description: &str, selection: Vec<(&str, Expr<Fargate, Any>)>| {
        object([
            ("rulePriority", priority.into()),
            ("description", description.into()),
            ("selection", object(selection)),
            ("action", object([("type", "expire".into())])),
        ])
    };
    let rules = tuple([
        rule(
            1,
            "Images without a tag go.",
            vec![
                ("tagStatus", "untagged".into()),
                ("countType", "sinceImagePushed".into()),
                ("countUnit", "days".into()),
                ("countNumber", options.untagged_image_days.any()),
            ],
        ),
        rule(
            2,
            "The last images stay.",
            vec![
                ("tagStatus", "any".into()),
                ("countType", "imageCountMoreThan".into()),
                ("countNumber", options.images_kept.any()),
            ],
        ),
    ]);
    m.add(
        LifecyclePolicy::new("worker")
            .repository(repository.name())
            .policy(func::json_encode(object([("rules", rules)]))),
    );
    repository
}

fn cluster(m: &mut Module<Fargate>, inputs: &FargateInputs<Fargate>) -> ClusterRef<Fargate> {
    m.file("main.tf");
    let cluster = m.add(
        Cluster::new("this").name(&inputs.cluster_name).skip(&skips::CONTAINER_INSIGHTS).setting(
            Setting::default()
                .name("containerInsights")
                .value(inputs.options.container_insights.choose::<Text>("enabled", "disabled")),
        ),
    );
    m.add(
        ClusterCapacityProviders::new("this")
            .why("A default strategy never falls back by itself: whoever starts a task names FARGATE when Spot has no room.")
            .cluster_name(cluster.name())
            .capacity_providers([FARGATE, FARGATE_SPOT])
            .default_capacity_provider_strategy(
                Strategy::default().capacity_provider(FARGATE_SPOT).weight(1),
            ),
    );
    cluster
}

fn role(
    name: &str,
    (inputs, roles): (&FargateInputs<Fargate>, &Expr<Fargate, Text>),
    suffix: &str,
    cluster: &ClusterRef<Fargate>,
) -> Role<Fargate> {
    Role::new(name)
        .name(text![roles, "-", suffix])
        .path(&inputs.options.role_path)
        .permissions_boundary(&inputs.permissions_boundary_arn)
        .assume_role_policy(Document::new([Statement::allow("Assume", &["sts:AssumeRole"])
            .by(Principal::Service("ecs-tasks.amazonaws.com"))
            .when("StringEquals", "aws:SourceAccount", cluster.arn().account())]))
}

/// The role with which Fargate itself pulls the image, reads the secrets and writes the log.
fn execution_role(
    m: &mut Module<Fargate>,
    (inputs, roles): (&FargateInputs<Fargate>, &Expr<Fargate, Text>),
    repository: &RepositoryRef<Fargate>,
    logs: &LogGroupRef<Fargate>,
    cluster: &ClusterRef<Fargate>,
) -> RoleRef<Fargate> {
    let execution = m.add(role("execution", (inputs, roles), "execution", cluster));
    let policy = Document::new([
        Statement::allow("LogIn", &["ecr:GetAuthorizationToken"])
            .on_everything("the token is the account's, it has no resource"),
        Statement::allow(
            "PullImage",
            &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        )
        .on(repository.arn()),
        Statement::allow("WriteLog", &["logs:CreateLogStream", "logs:PutLogEvents"])
            .on(arn![logs.arn(), ":*"]),
        Statement::allow("ReadSecrets", &["secretsmanager:GetSecretValue"])
            .on(&inputs.anthropic_keys_arn)
            .on(&inputs.git_token_arn),
    ]);
    m.add(
        RolePolicy::new("execution")
            .note(&policy.reasons())
            .name("execution")
            .role(execution.id())
            .policy(policy),
    );
    watch::use_of_key(m, inputs, "execution", "secretsmanager", &execution);
    execution
}

fn task_definition(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
    repository: &RepositoryRef<Fargate>,
    logs: &LogGroupRef<Fargate>,
    image: &Expr<Fargate, Text>,
    (execution, task): (&RoleRef<Fargate>, &RoleRef<Fargate>),
) -> TaskDefinitionRef<Fargate> {
    m.file("main.tf");
    let pinned = text![repository.repository_url(), "@", inputs.image_digest.set()];
    let image = m.local_because(
        "task_image",
        "A digest names bytes, a tag only a promise.",
        inputs.image_digest.is_null().choose::<Text>(image, pinned),
    );
    let container = object([
        ("name", CONTAINER.into()),
        ("image", image.any()),
        ("essential", true.into()),
        ("user", USER.into()),
        ("readonlyRootFilesystem", true.into()),
        ("stopTimeout", 120.into()),
        (
            "environment",
            inputs
                .environment
                .map(("name", "value"), |name, value| {
                    object([("name", name.any()), ("value", value.any())])
                })
                .any(),
        ),
        (
            "secrets",
            tuple(
                [
                    (worker_env::ANTHROPIC_KEYS, &inputs.anthropic_keys_arn),
                    (worker_env::GIT_TOKEN, &inputs.git_token_arn),
                ]
                .map(|(name, arn)| object([("name", name.into()), ("valueFrom", arn.any())])),
            ),
        ),
        (
            "mountPoints",
            tuple(WRITABLE.map(|(volume, path)| {
                object([
                    ("sourceVolume", volume.into()),
                    ("containerPath", path.into()),
                    ("readOnly", false.into()),
                ])
            })),
        ),
        (
            "logConfiguration",
            object([
                ("logDriver", "awslogs".into()),
                (
                    "options",
                    object([
                        ("awslogs-group", logs.name().any()),
                        ("awslogs-region", inputs.region.any()),
                        ("awslogs-stream-prefix", CONTAINER.into()),
                        ("mode", "blocking".into()),
                    ]),
                ),
            ]),
        ),
    ]);
    let definition = TaskDefinition::new("worker")
        .why("No init process: the worker is process 1 itself, because whatever runs under another one can read the secrets from its environment. The log driver blocks rather than drop lines. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html")
        .family(&inputs.task_family)
        .requires_compatibilities(["FARGATE"])
        .network_mode("awsvpc")
        .cpu(func::to_string(&inputs.task_cpu))
        .memory(func::to_string(&inputs.task_memory))
        .execution_role_arn(execution.arn())
        .task_role_arn(task.arn())
        .container_definitions(func::json_encode(tuple([container])))
        .runtime_platform(
            RuntimePlatform::default()
                .operating_system_family("LINUX")
                .cpu_architecture(&inputs.cpu_architecture),
        )
        .ephemeral_storage(
            EphemeralStorage::default().size_in_gib(&inputs.ephemeral_storage_gib),
        );
    let size = validations::size(m, inputs);
    let definition = definition.precondition(
        &size,
        text![
            "Fargate has no task of ",
            &inputs.task_cpu,
            " CPU units with ",
            &inputs.task_memory,
            " MiB of memory. The local fargate_memory lists the sizes."
        ],
    );
    let definition = WRITABLE
        .iter()
        .fold(definition, |definition, (name, _)| definition.volume(Volume::default().name(*name)));
    m.add(definition)
}

fn cases(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
    cluster: &ClusterRef<Fargate>,
    task_definition: &TaskDefinitionRef<Fargate>,
    execution: &RoleRef<Fargate>,
) {
    let options = &inputs.options;
    m.case("everything_on", "Every switch can be on at once.")
        .with(&options.alarms, true)
        .with(&options.alarm_topic_arn, arn!["arn:aws:sns:us-east-1:123456789012:alarms"])
        .with(&options.container_insights, true)
        .with(
            &options.kms_key_arn,
            arn!["arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"],
        )
        .with(&options.role_path, "/ralph/")
        .expect(&cluster.name().equals(&inputs.cluster_name), "the cluster");
    m.case("long_names", "A name that is too long for a role is cut, and ends in its hash.")
        .with(&inputs.task_family, "f".repeat(255))
        .with(&inputs.state_machine_name, "s".repeat(80))
        .expect(
            &rules::matches(execution.name(), "^f{45}-[0-9a-f]{8}-execution$"),
            "the execution role",
        );
    m.case("no_such_size", "A size that Fargate does not offer is refused.")
        .with(&inputs.task_cpu, 256)
        .with(&inputs.task_memory, 8192)
        .refused_by(task_definition);
    m.case("not_every_step_is_a_size", "A size between two that Fargate offers is refused.")
        .with(&inputs.task_cpu, 256)
        .with(&inputs.task_memory, 1536)
        .refused_by(task_definition);
}
