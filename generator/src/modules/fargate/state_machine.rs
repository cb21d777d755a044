//! The state machine that carries executions, its role and its log.
//!
//! It decides nothing. `admit` and `decide` answer with a `Step` of `ralph_protocol::execution`; the
//! machine does what the step says and hands it back.

use super::{Fargate, FargateInputs, rules};
use crate::asl::{Machine, Name, State};
use crate::aws::iam::{Partition, Role, RolePolicy, RolePolicyRef, RoleRef};
use crate::aws::logs::LogGroup;
use crate::aws::sfn::{Logging, StateMachine, StateMachineRef, Tracing};
use crate::hcl::prelude::*;
use crate::skips;

const ADMIT: Name = "Admit";
const NEXT: Name = "Next";
const RUN_TASK: Name = "RunTask";
const WAIT: Name = "Wait";
const DECIDE: Name = "Decide";
const DONE: Name = "Done";
const FAILED: Name = "Failed";

/// The parts of the module that the state machine and its role name.
pub(super) struct Around<'a> {
    pub(super) account: &'a Expr<Fargate, Text>,
    pub(super) cluster: &'a crate::aws::ecs::ClusterRef<Fargate>,
    pub(super) task_definition: &'a crate::aws::ecs::TaskDefinitionRef<Fargate>,
    pub(super) execution: &'a RoleRef<Fargate>,
    pub(super) task: &'a RoleRef<Fargate>,
}

/// Adds the state machine.
pub(super) fn add(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
    around: &Around<'_>,
) -> StateMachineRef<Fargate> {
    m.file("iam.tf");
    let partition: Expr<Fargate, Text> = m.add(Partition::new("current")).partition().into();
    let (role, policy) = role(m, inputs, around, &partition);
    m.file("state_machine.tf");
    let logs = m.add(
        LogGroup::new("state_machine")
            .why("Under /aws/vendedlogs/, because every other group that a service delivers to takes a place in the account's one resource policy, which fills up. https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html")
            .skip(&skips::LOG_GROUP)
            .name(text!["/aws/vendedlogs/states/", &inputs.names.state_machine])
            .retention_in_days(&inputs.log_retention_in_days)
            .kms_key_id(&inputs.kms_key_arn),
    );
    m.add(
        StateMachine::new("workstream")
            .why("Failures are logged, their data is not: an order or a reason can quote what a repository says. Who may read an execution's history finds it there for 90 days.")
            .skip(&[&skips::NO_EXECUTION_DATA])
            .name(&inputs.names.state_machine)
            .r#type("STANDARD")
            .role_arn(role.arn())
            .definition(machine(inputs, around, &partition).definition())
            .logging_configuration(
                Logging::default()
                    .level("ERROR")
                    .include_execution_data(false)
                    .log_destination(text![logs.arn(), ":*"]),
            )
            .tracing_configuration(Tracing::default().enabled(true))
            .after(&policy),
    )
}

fn machine(
    inputs: &FargateInputs<Fargate>,
    around: &Around<'_>,
    partition: &Expr<Fargate, Text>,
) -> Machine<Fargate> {
    let call = |name: &str| text!["arn:", partition, ":states:::", name].any();
    let invoke = |state: Name,
                  function: &Expr<Fargate, Arn>,
                  payload: (&'static str, Expr<Fargate, Any>)| {
        let parameters = object([("FunctionName", function.any()), payload]);
        // For half an hour on average, and not all at once when many executions meet the same trouble.
        let retry = object([
            ("ErrorEquals", tuple(["States.ALL".into()])),
            ("IntervalSeconds", 2.into()),
            ("BackoffRate", 2.into()),
            ("MaxDelaySeconds", 300.into()),
            ("MaxAttempts", 18.into()),
            ("JitterStrategy", "FULL".into()),
        ]);
        State::task(state, call("lambda:invoke"), parameters)
            .with("OutputPath", "$.Payload")
            .with("Retry", tuple([retry]))
            .then(NEXT)
    };
    let order = object([
        ("execution.$", "$$.Execution.Id".into()),
        ("startedAt.$", "$$.Execution.StartTime".into()),
        ("order.$", "$".into()),
    ]);
    let states = vec![
        invoke(ADMIT, &Expr::from(&inputs.functions.admit_arn), ("Payload", order)),
        State::choice(NEXT, "$.next", [("run", RUN_TASK), ("wait", WAIT), ("done", DONE)], FAILED),
        run_task(inputs, around, call("ecs:runTask.sync")),
        State::wait(WAIT, "$.seconds").then(DECIDE),
        invoke(DECIDE, &Expr::from(&inputs.functions.decide_arn), ("Payload.$", "$".into())),
        State::succeed(DONE, "$.output"),
        State::fail(FAILED, "$.Error", "$.Cause"),
    ];
    Machine {
        comment: "Carries an execution of a workstream. The functions admit and decide say what comes next.",
        states,
    }
}

/// Its end goes to `decide` as text, whatever it is.
fn run_task(
    inputs: &FargateInputs<Fargate>,
    around: &Around<'_>,
    resource: Expr<Fargate, Any>,
) -> State<Fargate> {
    let strategy =
        object([("CapacityProvider.$", "$.run.capacityProvider".into()), ("Weight", 1.into())]);
    let network = object([
        ("Subnets", inputs.network.subnet_ids.any()),
        ("SecurityGroups", tuple([inputs.network.security_group_id.any()])),
        (
            "AssignPublicIp",
            inputs.network.assign_public_ip.choose::<Text>("ENABLED", "DISABLED").any(),
        ),
    ]);
    let parameters = object([
        ("Cluster", around.cluster.arn().any()),
        ("TaskDefinition", around.task_definition.arn().any()),
        ("CapacityProviderStrategy", tuple([strategy])),
        ("NetworkConfiguration", object([("AwsvpcConfiguration", network)])),
        ("Overrides.$", "$.run.overrides".into()),
        ("PropagateTags", "TASK_DEFINITION".into()),
    ]);
    State::task(RUN_TASK, resource, parameters)
        .with("TimeoutSecondsPath", "$.run.timeoutSeconds")
        .with("ResultSelector", object([("description.$", "States.JsonToString($)".into())]))
        .with("ResultPath", "$.ended")
        .catch("$.ended", DECIDE)
        .then(DECIDE)
}

fn role(
    m: &mut Module<Fargate>,
    inputs: &FargateInputs<Fargate>,
    around: &Around<'_>,
    partition: &Expr<Fargate, Text>,
) -> (RoleRef<Fargate>, RolePolicyRef<Fargate>) {
    let (cluster, name) = (around.cluster.arn(), &inputs.names.state_machine);
    let account = around.account;
    let machine =
        text!["arn:", partition, ":states:", &inputs.region, ":", account, ":stateMachine:", name];
    let trust = Statement::trust("states.amazonaws.com")
        .when("StringEquals", "aws:SourceAccount", account)
        .when("ArnEquals", "aws:SourceArn", machine);
    let role_name = rules::short(
        m,
        "state_machine_role",
        "A role's name has at most 64 characters, a state machine's 80.",
        name,
        64,
    );
    let role = m.add(
        Role::new("state_machine")
            .name(&role_name)
            .path(&inputs.roles.path)
            .permissions_boundary(&inputs.roles.permissions_boundary_arn)
            .assume_role_policy(Document::new([trust])),
    );
    let tasks = arn![func::replace(&cluster, ":cluster/", ":task/"), "/*"];
    let policy = Document::new([
        Statement::allow("RunTask", &["ecs:RunTask"])
            .on(arn![around.task_definition.arn_without_revision(), ":*"])
            .when("ArnEquals", "ecs:cluster", &cluster),
        Statement::allow("TagTasks", &["ecs:TagResource"]).on(tasks.clone()).when(
            "StringEquals",
            "ecs:CreateAction",
            "RunTask",
        ),
        Statement::allow("ManageTasks", &["ecs:DescribeTasks", "ecs:StopTask"]).on(tasks).when(
            "ArnEquals",
            "ecs:cluster",
            &cluster,
        ),
        Statement::allow(
            "ManageTaskEvents",
            &["events:DescribeRule", "events:PutRule", "events:PutTargets"],
        )
        .on(arn![
            "arn:",
            partition,
            ":events:",
            &inputs.region,
            ":",
            account,
            ":rule/StepFunctionsGetEventsForECSTaskRule"
        ]),
        Statement::allow("PassRoles", &["iam:PassRole"])
            .on(around.execution.arn())
            .on(around.task.arn())
            .when("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com"),
        Statement::allow("InvokeFunctions", &["lambda:InvokeFunction"])
            .on(&inputs.functions.admit_arn)
            .on(&inputs.functions.decide_arn),
        Statement::allow(
            "DeliverLogs",
            &[
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ],
        )
        .on_everything("log deliveries have no resource"),
        Statement::allow(
            "WriteTraces",
            &[
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ],
        )
        .on_everything("traces have no resource"),
    ]);
    let policy = m.add(
        RolePolicy::new("state_machine")
            .note(&policy.reasons())
            .name("state-machine")
            .role(role.id())
            .policy(policy),
    );
    (role, policy)
}
