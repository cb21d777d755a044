//! What a workstream runs on: cluster, task definition, image repository, log group, roles, and the
//! state machine that starts its runs.

mod state_machine;
mod validations;

use ralph_protocol::names::{CONTAINER, FARGATE, FARGATE_SPOT, WORKER_PROGRAM, worker_env};

use super::{Roles, rules};
use crate::aws::cloudwatch::MetricAlarm;
use crate::aws::ecr::{Encryption, ImageScanning, LifecyclePolicy, Repository, RepositoryRef};
use crate::aws::ecs::{
    Cluster, ClusterCapacityProviders, ClusterRef, EphemeralStorage, RuntimePlatform, Setting,
    Strategy, TaskDefinition, TaskDefinitionRef, Volume,
};
use crate::aws::iam::{Partition, Role, RolePolicy, RoleRef, ServiceLinkedRole};
use crate::aws::logs::{LogGroup, LogGroupRef};
use crate::aws::sfn::StateMachineRef;
use crate::hcl::prelude::*;
use crate::skips;

/// The module `fargate`.
pub struct Fargate;

type This = Module<Fargate>;
type Inputs = FargateInputs<Fargate>;
type Value<T> = Expr<Fargate, T>;

/// Where the worker may write, each a volume over the read-only root. The image declares them as
/// volumes owned by [`USER`], because a bind mount on Fargate otherwise belongs to root.
pub const WRITABLE: [(&str, &str); 2] = [("workspace", "/workspace"), ("tmp", "/tmp")];
/// The account, Region and repository in the name of an image in ECR, also under the names of its other
/// endpoints. <https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html>
const IN_ECR: &str = "^([0-9]{12})[.]dkr[.-]ecr(?:-fips)?[.]([a-z0-9-]+)[.][a-z.]+/([^:@]+)[:@]";
/// The worker's user and group.
pub const USER: &str = "10001:10001";

fields! {
    /// The inputs of the module `fargate`.
    pub struct FargateInputs {
        /// Whether to make the service-linked role of ECS. An account has one at most, and has it already if somebody used ECS there.
        create_service_linked_role: Bool = false,
        /// Environment variables of the worker, which a run may override; one that begins with RALPH_AGENT_ENV_ is for the agent, without this prefix. The worker requires RALPH_ITERATION_TIMEOUT_SECS, RALPH_MAX_COST_USD, RALPH_MAX_DURATION_SECS, RALPH_MAX_ITERATIONS, RALPH_MAX_STALLS and RALPH_SILENCE_SECS.
        environment: Map<Text> = empty(),
        /// The Lambda functions that the state machine calls.
        functions: Functions<()>,
        /// The worker's image and its repository.
        image: Image<()>,
        /// ARN of the KMS key that encrypts logs and images; null for AWS's own. Its policy must let CloudWatch Logs and its log delivery use it (logs.<region>.amazonaws.com and delivery.logs.amazonaws.com). If a customer key encrypts the secrets, it must be this one: the execution role may use no other.
        kms_key_arn: Opt<Arn>,
        /// Days that the log groups keep a line.
        log_retention_in_days: Number = 7,
        /// Alarms and metrics.
        monitoring: Monitoring<()>,
        /// Names of the resources.
        names: Names<()>,
        /// Network of the tasks.
        network: Network<()>,
        /// Region of the cluster.
        region: Text,
        /// Path and permissions boundary of the IAM roles.
        roles: Roles<()>,
        /// ARNs of the secrets that a task gets.
        secrets: SecretArns<()>,
        /// Size of a task.
        task: Task<()>,
    }
    /// The functions that decide.
    pub struct Functions {
        /// ARN of the function admit, which checks an order.
        admit_arn: Arn,
        /// ARN of the function decide, which says what follows each run.
        decide_arn: Arn,
    }
    /// An image and its repository.
    pub struct Image {
        /// ARN of the secret with the user name and password for the registry of uri, if it asks for one and is not ECR. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
        credentials_arn: Opt<Arn>,
        /// Digest of the image that tasks run, sha256:…; null runs the tag, which cannot be moved.
        digest: Opt<Text>,
        /// Whether destroying the repository deletes its images.
        force_delete: Bool = false,
        /// Number of images that the repository keeps.
        kept: Number = 30,
        /// Name of the repository.
        repository: Text,
        /// Tag of the image.
        tag: Text,
        /// Days after which an image without a tag is deleted.
        untagged_days: Number = 1,
        /// Name of the image that tasks run, in any registry, with a tag or a digest; null runs the repository's. It must have the worker's program.
        uri: Opt<Text>,
    }
    /// Alarms and metrics.
    pub struct Monitoring {
        /// ARN of the SNS topic that the alarm goes to; null shows it in the console only.
        alarm_topic_arn: Opt<Arn>,
        /// Whether there is an alarm for failed executions.
        alarms: Bool = false,
        /// Whether ECS measures each task; the metrics are billed.
        container_insights: Bool = false,
    }
    /// Names.
    pub struct Names {
        /// Name of the cluster.
        cluster: Text,
        /// Name of the log group that gets the workers' lines.
        log_group: Text,
        /// Name of the state machine.
        state_machine: Text,
        /// Family of the task definition.
        task_family: Text,
    }
    /// Network of the tasks.
    pub struct Network {
        /// Whether each task gets a public IP address, which it needs in a subnet without a NAT gateway.
        assign_public_ip: Bool = true,
        /// Id of the tasks' security group.
        security_group_id: SecurityGroupId,
        /// Ids of the tasks' subnets.
        subnet_ids: List<SubnetId>,
    }
    /// ARNs of secrets.
    pub struct SecretArns {
        /// ARN of a secret for each secret variable of the agent, by the variable's name; also with :json-key:version-stage:version-id behind it.
        agent_arns: Map<Arn> = empty(),
        /// ARN of the secret with the keys of the model's service.
        anthropic_keys_arn: Arn,
        /// ARN of the secret with the git credential.
        git_token_arn: Arn,
    }
    /// Size of a task.
    pub struct Task {
        /// Processor architecture of the image: X86_64 or ARM64.
        architecture: Text = "X86_64",
        /// CPU units: 1024 are one vCPU.
        cpu: Number = 1024,
        /// Memory in MiB, of the sizes that Fargate offers with cpu.
        memory: Number = 2048,
        /// Ephemeral storage in GiB, 21 to 200; the first 20 are free.
        storage_gib: Number = 21,
    }
}

fields! {
    /// The outputs of the module `fargate`.
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
        /// Name of the image that tasks run: image.uri, or the name to push the worker's image as, which is repository URL and tag.
        worker_image: Text,
    }
}

impl Published for Fargate {
    fn example() -> FargateInputs<Constant> {
        let function = "arn:aws:lambda:us-east-1:123456789012:function:ralph-example-";
        let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ralph/example/";
        FargateInputs {
            functions: Functions {
                admit_arn: arn![function, "admit"],
                decide_arn: arn![function, "decide"],
            },
            image: Image {
                repository: "ralph-example-worker".into(),
                tag: "0.1.0".into(),
                ..Image::default()
            },
            names: Names {
                cluster: "ralph-example".into(),
                log_group: "/ralph/example/workstreams".into(),
                state_machine: "ralph-example-workstream".into(),
                task_family: "ralph-example-worker".into(),
            },
            network: Network {
                security_group_id: Expr::from_configuration("sg-0123456789abcdef0"),
                subnet_ids: [Expr::from_configuration("subnet-0123456789abcdef0")].into(),
                ..Network::default()
            },
            region: "us-east-1".into(),
            secrets: SecretArns {
                anthropic_keys_arn: arn![secret, "anthropic-keys-a1b2c3"],
                git_token_arn: arn![secret, "git-token-a1b2c3"],
                ..SecretArns::default()
            },
            ..FargateInputs::default()
        }
    }
}

impl Definition for Fargate {
    const NAME: &'static str = "fargate";
    const ABOUT: &'static str =
        "Runs workstreams on ECS: cluster, task definition, image repository and state machine.";
    type Inputs<M> = FargateInputs<M>;
    type Outputs<M> = FargateOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: FargateInputs<Self>) -> FargateOutputs<Self> {
        validations::all(m, &inputs);
        let repository = repository(m, &inputs);
        let cluster = cluster(m, &inputs);
        let account = m.local("account_id", cluster.arn().account());
        let logs = m.add(
            LogGroup::new("workstreams")
                .skip(skips::LOG_GROUP)
                .name(&inputs.names.log_group)
                .retention_in_days(&inputs.log_retention_in_days)
                .kms_key_id(&inputs.kms_key_arn),
        );
        m.file("iam.tf");
        let (execution, task) = roles(m, &inputs, &account);
        let partition: Value<Text> = m.add(Partition::new("current")).partition().into();
        execution_policy(m, &inputs, &repository, &logs, (&execution, &partition));
        let (uri, digest) = (&inputs.image.uri, &inputs.image.digest);
        let pushed = text![repository.repository_url(), ":", &inputs.image.tag];
        let image = m.local("worker_image", func::first_set([uri.clone(), pushed.into()]));
        let pinned = text![repository.repository_url(), "@", digest.set()];
        let task_image = m.local_because(
            "task_image",
            "A digest pins the image's bytes; a tag is a name.",
            digest.is_null().or(uri.is_set()).choose::<Text>(&image, pinned),
        );
        let task_definition = task_definition(m, &inputs, &logs, &task_image, (&execution, &task));
        let around = state_machine::Around {
            account: &account,
            cluster: &cluster,
            task_definition: &task_definition,
            execution: &execution,
            task: &task,
            partition: &partition,
        };
        let state_machine = state_machine::add(m, &inputs, &around);
        alarm(m, &inputs, &state_machine);
        cases(m, &inputs, &cluster, &task_definition, &execution, &task_image);
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

fn repository(m: &mut This, inputs: &Inputs) -> RepositoryRef<Fargate> {
    m.file("ecr.tf");
    let (image, key) = (&inputs.image, &inputs.kms_key_arn);
    let repository = m.add(
        Repository::new("worker")
            .skip(&[&skips::IMAGE_KEY])
            .name(&image.repository)
            .image_tag_mutability("IMMUTABLE")
            .force_delete(&image.force_delete)
            .image_scanning_configuration(ImageScanning::default().scan_on_push(true))
            .encryption_configuration(
                Encryption::default()
                    .encryption_type(key.is_null().choose::<Text>("AES256", "KMS"))
                    .kms_key(key),
            ),
    );
    let rule = |priority: i32, description: &str, selection: Value<Any>| {
        let action = object! { type: "expire" };
        object! {
            rulePriority: priority, description: description, selection: selection, action: action
        }
    };
    let untagged = object! {
        tagStatus: "untagged",
        countType: "sinceImagePushed",
        countUnit: "days",
        countNumber: &image.untagged_days,
    };
    let oldest = object! {
        tagStatus: "any", countType: "imageCountMoreThan", countNumber: &image.kept
    };
    let rules = [
        rule(1, "Expire images without a tag", untagged),
        rule(2, "Keep the newest images", oldest),
    ];
    m.add(
        LifecyclePolicy::new("worker")
            .repository(repository.name())
            .policy(func::json_encode(object! { rules: rules })),
    );
    repository
}

fn cluster(m: &mut This, inputs: &Inputs) -> ClusterRef<Fargate> {
    m.file("main.tf");
    let role = m.add_if(
        &inputs.create_service_linked_role,
        ServiceLinkedRole::new("ecs")
            .why("On an account that never used ECS, PutClusterCapacityProviders fails without this role. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html")
            .aws_service_name("ecs.amazonaws.com"),
    );
    let insights = inputs.monitoring.container_insights.choose::<Text>("enabled", "disabled");
    let cluster = m.add(
        Cluster::new("this")
            .skip(&[&skips::CONTAINER_INSIGHTS])
            .name(&inputs.names.cluster)
            .setting(Setting::default().name("containerInsights").value(insights))
            .after(&role),
    );
    m.add(
        ClusterCapacityProviders::new("this")
            .why("The default strategy does not fall back to FARGATE when Spot has no capacity, so each run names its capacity provider.")
            .cluster_name(cluster.name())
            .capacity_providers([FARGATE, FARGATE_SPOT])
            .default_capacity_provider_strategy(
                Strategy::default().capacity_provider(FARGATE_SPOT).weight(1),
            ),
    );
    cluster
}

/// The role with which Fargate itself pulls the image, reads the secrets and writes the log, and the
/// role that the agent has.
fn roles(
    m: &mut This,
    inputs: &Inputs,
    account: &Value<Text>,
) -> (RoleRef<Fargate>, RoleRef<Fargate>) {
    let prefix = rules::short(
        m,
        "role_prefix",
        "A role's name has at most 64 characters, a family 255.",
        &inputs.names.task_family,
        54,
    );
    let trust = Document::new([Statement::trust("ecs-tasks.amazonaws.com").when(
        "StringEquals",
        "aws:SourceAccount",
        account.any(),
    )]);
    let trust = m.local("tasks_trust", Expr::<_, Json>::from(trust));
    let role = |name: &str| {
        Role::new(name)
            .name(text![&prefix, "-", name])
            .path(&inputs.roles.path)
            .permissions_boundary(&inputs.roles.permissions_boundary_arn)
            .assume_role_policy(&trust)
    };
    let execution = m.add(role("execution"));
    let task = role("task").why("The agent is untrusted code: its role has no permission at all.");
    (execution, m.add(task))
}

fn execution_policy(
    m: &mut This,
    inputs: &Inputs,
    repository: &RepositoryRef<Fargate>,
    logs: &LogGroupRef<Fargate>,
    (execution, partition): (&RoleRef<Fargate>, &Value<Text>),
) {
    let (secrets, key) = (&inputs.secrets, &inputs.kms_key_arn);
    let uri = &inputs.image.uri;
    let elsewhere = func::regex_all(IN_ECR, uri.is_null().choose::<Text>("", uri.set()));
    let elsewhere = elsewhere.map("parts", |parts| {
        let (account, region, name) = (parts.at(0), parts.at(1), parts.at(2));
        arn!["arn:", partition, ":ecr:", region, ":", account, ":repository/", name]
    });
    let repositories = m.local_because(
        "repositories",
        "That of the module, and the one in ECR that image.uri names.",
        func::concat([repository.arn()], elsewhere),
    );
    // Without the JSON key and the version, which ECS reads behind the ARN.
    let agents = func::values(&secrets.agent_arns).map("arn", |arn| -> Value<Arn> {
        arn![func::regex::<Fargate>("^(?:[^:]+:){6}[^:]+", arn)]
    });
    let credentials: Value<List<Opt<Arn>>> = [inputs.image.credentials_arn.clone()].into();
    let credentials = credentials.map_where("arn", |arn| (arn.set(), arn.is_set()));
    let own = [secrets.anthropic_keys_arn.clone(), secrets.git_token_arn.clone()];
    let readable = m.local_because(
        "task_secrets",
        "Secrets that Fargate reads to start a task.",
        func::distinct(func::concat_all([own.into(), agents, credentials])),
    );
    let policy = Document::new([
        Statement::allow("GetAuthorizationToken", "ecr: GetAuthorizationToken")
            .on_everything("the action has no resource-level permissions"),
        Statement::allow(
            "PullImage",
            "ecr: BatchCheckLayerAvailability BatchGetImage GetDownloadUrlForLayer",
        )
        .on_each(&repositories),
        Statement::allow("WriteLogs", "logs: CreateLogStream PutLogEvents")
            .on(arn![logs.arn(), ":*"]),
        Statement::allow("ReadSecrets", "secretsmanager: GetSecretValue").on_each(&readable),
    ]);
    // Secrets Manager decrypts with the customer managed key on behalf of this role.
    let decrypt = Statement::allow("DecryptSecrets", "kms: Decrypt").on(key.set()).when(
        "StringEquals",
        "kms:ViaService",
        text!["secretsmanager.", &inputs.region, ".amazonaws.com"].any(),
    );
    let keys = [key.clone()].into();
    let policy = policy.and_where(("key", &keys), |key| key.is_set(), decrypt);
    m.add(
        RolePolicy::new("execution")
            .note(&policy.reasons())
            .name("execution")
            .role(execution.id())
            .policy(policy),
    );
}

fn task_definition(
    m: &mut This,
    inputs: &Inputs,
    logs: &LogGroupRef<Fargate>,
    image: &Value<Text>,
    (execution, task): (&RoleRef<Fargate>, &RoleRef<Fargate>),
) -> TaskDefinitionRef<Fargate> {
    m.file("main.tf");
    let secret = |name: &str, arn: &Value<Arn>| object! { name: name, valueFrom: arn };
    let own: Value<List<Any>> = [
        secret(worker_env::ANTHROPIC_KEYS, &inputs.secrets.anthropic_keys_arn),
        secret(worker_env::GIT_TOKEN, &inputs.secrets.git_token_arn),
    ]
    .into();
    let agents = inputs.secrets.agent_arns.map(("name", "arn"), |name, arn| {
        object! { name: text![worker_env::AGENT_SECRET, name], valueFrom: arn }
    });
    let arn = &inputs.image.credentials_arn;
    let credentials = arn.is_null().choose::<Any>(
        Expr::<Fargate, Opt<Any>>::null().set(),
        object! { credentialsParameter: arn.set() },
    );
    let mount = |(volume, path): (&str, &str)| {
        object! { sourceVolume: volume, containerPath: path, readOnly: false }
    };
    let container = object! {
        name: CONTAINER,
        image: image,
        repositoryCredentials: credentials,
        entryPoint: [text![WORKER_PROGRAM].any()],
        essential: true,
        user: USER,
        readonlyRootFilesystem: true,
        stopTimeout: 120,
        linuxParameters: object! { capabilities: object! { drop: [text!["ALL"].any()] } },
        environment: inputs.environment.map(("name", "value"), |name, value| {
            object! { name: name, value: value }
        }),
        secrets: func::concat(own, agents),
        mountPoints: WRITABLE.map(mount),
        logConfiguration: object! {
            logDriver: "awslogs",
            options: object! {
                "awslogs-group": logs.name(),
                "awslogs-region": &inputs.region,
                "awslogs-stream-prefix": CONTAINER,
                mode: "blocking",
            },
        },
    };
    let definition = TaskDefinition::new("worker")
        .why("The entry point is always the worker's program: an image without it fails when the task starts, instead of running something else whose exit 0 would mean that the work is complete. No init process: the agent could read the secrets from its environment, so the worker is process 1 itself. Mode blocking: the log driver waits when its buffer is full, and drops no line. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html")
        .family(&inputs.names.task_family)
        .requires_compatibilities(["FARGATE"])
        .network_mode("awsvpc")
        .cpu(func::to_string(&inputs.task.cpu))
        .memory(func::to_string(&inputs.task.memory))
        .execution_role_arn(execution.arn())
        .task_role_arn(task.arn())
        .container_definitions(func::json_encode(tuple([container])))
        .runtime_platform(
            RuntimePlatform::default()
                .operating_system_family("LINUX")
                .cpu_architecture(&inputs.task.architecture),
        )
        .ephemeral_storage(
            EphemeralStorage::default().size_in_gib(&inputs.task.storage_gib),
        );
    let memory = validations::memory(m, inputs);
    let definition = definition.precondition(
        &func::contains(&memory, &inputs.task.memory),
        text![
            "Fargate has no task of ",
            &inputs.task.cpu,
            " CPU units with ",
            &inputs.task.memory,
            " MiB of memory. task.memory must be one of ",
            func::join(", ", memory),
            "."
        ],
    );
    let definition = WRITABLE
        .iter()
        .fold(definition, |definition, (name, _)| definition.volume(Volume::default().name(*name)));
    m.add(definition)
}

fn alarm(m: &mut This, inputs: &Inputs, machine: &StateMachineRef<Fargate>) {
    m.file("alarms.tf");
    let actions = rules::alarm_actions(m, &inputs.monitoring.alarm_topic_arn);
    m.add_if(
        &inputs.monitoring.alarms,
        MetricAlarm::new("executions_failed")
            .alarm_name(text![&inputs.names.state_machine, "-failed"])
            .alarm_description("An execution was refused, could not start or gave up, or one of its functions failed. An end that the worker reported itself counts as a success.")
            .namespace("AWS/States")
            .metric_name("ExecutionsFailed")
            .dimensions(map([("StateMachineArn", Expr::from(machine.arn()))]))
            .statistic("Sum")
            .period(300)
            .evaluation_periods(1)
            .comparison_operator("GreaterThanOrEqualToThreshold")
            .threshold(1)
            .treat_missing_data("notBreaching")
            .alarm_actions(&actions)
            .ok_actions(&actions),
    );
}

fn cases(
    m: &mut This,
    inputs: &Inputs,
    cluster: &ClusterRef<Fargate>,
    task_definition: &TaskDefinitionRef<Fargate>,
    execution: &RoleRef<Fargate>,
    image: &Value<Text>,
) {
    m.case("everything_on", "Every switch can be on at once.")
        .with(&inputs.create_service_linked_role, true)
        .with(&inputs.environment, map([(worker_env::MAX_ITERATIONS, "50".into())]))
        .with(&inputs.image.uri, text!["123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:1"])
        .with(
            &inputs.image.credentials_arn,
            arn!["arn:aws:secretsmanager:us-east-1:123456789012:secret:registry-a1b2c3"],
        )
        .with(
            &inputs.secrets.agent_arns,
            map([
                ("DATABASE_URL", arn!["arn:aws:secretsmanager:us-east-1:123456789012:secret:database-a1b2c3"]),
                ("USER_NAME", arn!["arn:aws:secretsmanager:us-east-1:123456789012:secret:team/user-a1b2c3:name::"]),
                ("USER_PASSWORD", arn!["arn:aws:secretsmanager:us-east-1:123456789012:secret:team/user-a1b2c3:password:AWSPREVIOUS:"]),
            ]),
        )
        .with(&inputs.monitoring.alarms, true)
        .with(&inputs.monitoring.alarm_topic_arn, arn!["arn:aws:sns:us-east-1:123456789012:alarms"])
        .with(&inputs.monitoring.container_insights, true)
        .with(
            &inputs.kms_key_arn,
            arn!["arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"],
        )
        .with(&inputs.roles.path, "/ralph/")
        .expect(&cluster.name().equals(&inputs.names.cluster), "the cluster");
    m.case("long_names", "A name that is too long for a role is cut, and ends in its hash.")
        .with(&inputs.names.task_family, "f".repeat(255))
        .with(&inputs.names.state_machine, "s".repeat(80))
        .expect(
            &rules::matches(execution.name(), "^f{45}-[0-9a-f]{8}-execution$"),
            "the execution role",
        );
    m.case(
        "own_image",
        "An image of your own is the one that tasks run, whatever the tag and the digest are.",
    )
    .with(&inputs.image.uri, text!["ghcr.io/team/worker:1"])
    .with(&inputs.image.digest, text![format!("sha256:{}", "0".repeat(64))])
    .expect(&image.equals("ghcr.io/team/worker:1"), "the image");
    m.case("no_such_size", "A size that Fargate does not offer is refused.")
        .with(&inputs.task.cpu, 256)
        .with(&inputs.task.memory, 8192)
        .refused_by(task_definition);
    m.case("not_every_step_is_a_size", "A size between two that Fargate offers is refused.")
        .with(&inputs.task.cpu, 256)
        .with(&inputs.task.memory, 1536)
        .refused_by(task_definition);
}
