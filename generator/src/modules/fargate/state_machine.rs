//! The state machine that carries executions, its role and its log.
//!
//! It decides nothing. `admit` and `decide` answer with a `Step` of `ralph_protocol::execution`; the
//! machine does what the step says and hands it back.

use super::{Fargate, FargateInputs, rules};
use crate::aws::iam::{Partition, Role, RolePolicy, RolePolicyRef, RoleRef};
use crate::aws::logs::LogGroup;
use crate::aws::sfn::{Logging, StateMachine, StateMachineRef, Tracing};
use crate::hcl::prelude::*;
use crate::skips;

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
            .why("The name begins with /aws/vendedlogs/: each log group with another name lengthens the resource policy of CloudWatch Logs, which has at most 5,120 characters. https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html")
            .skip(skips::LOG_GROUP)
            .name(text!["/aws/vendedlogs/states/", &inputs.names.state_machine])
            .retention_in_days(&inputs.log_retention_in_days)
            .kms_key_id(&inputs.kms_key_arn),
    );
    m.add(
        StateMachine::new("workstream")
            .why("The log names errors without their data, because an order or a reason can quote the repository. The execution's history holds the data for 90 days.")
            .skip(&[&skips::NO_EXECUTION_DATA])
            .name(&inputs.names.state_machine)
            .r#type("STANDARD")
            .role_arn(role.arn())
            .definition(definition(inputs, around, &partition))
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

/// The definition, in JSONPath. A test follows every state of it.
/// <https://states-language.net/spec.html>
fn definition(
    inputs: &FargateInputs<Fargate>,
    around: &Around<'_>,
    partition: &Expr<Fargate, Text>,
) -> Expr<Fargate, Json> {
    type Fields = Vec<(&'static str, Expr<Fargate, Any>)>;
    let state = |kind: &'static str, fields: Fields| {
        object([("Type", kind.into())].into_iter().chain(fields))
    };
    let task = |call: &str, parameters: Fields, fields: Fields| {
        let resource = text!["arn:", partition, ":states:::", call].any();
        let own = vec![("Resource", resource), ("Parameters", object(parameters))];
        state("Task", [own, fields].concat())
    };
    let invoke = |function: &Expr<Fargate, Arn>, payload: (&'static str, Expr<Fargate, Any>)| {
        // For half an hour on average, and not all at once when many executions meet the same trouble.
        let retry = object([
            ("ErrorEquals", tuple(["States.ALL".into()])),
            ("IntervalSeconds", 2.into()),
            ("BackoffRate", 2.into()),
            ("MaxDelaySeconds", 300.into()),
            ("MaxAttempts", 18.into()),
            ("JitterStrategy", "FULL".into()),
        ]);
        task(
            "lambda:invoke",
            vec![("FunctionName", function.any()), payload],
            vec![
                ("OutputPath", "$.Payload".into()),
                ("Retry", tuple([retry])),
                ("Next", "Next".into()),
            ],
        )
    };
    let order = object([
        ("execution.$", "$$.Execution.Id".into()),
        ("startedAt.$", "$$.Execution.StartTime".into()),
        ("order.$", "$".into()),
    ]);
    let way = |(text, to): (&str, &str)| {
        object([("Variable", "$.next".into()), ("StringEquals", text.into()), ("Next", to.into())])
    };
    let ways = [("run", "RunTask"), ("wait", "Wait"), ("done", "Done")].map(way);
    let any_error = object([
        ("ErrorEquals", tuple(["States.ALL".into()])),
        ("ResultPath", "$.ended".into()),
        ("Next", "Decide".into()),
    ]);
    // The end of a task goes to `decide` as text, whatever it is.
    let run_task = task(
        "ecs:runTask.sync",
        run_task(inputs, around),
        vec![
            ("TimeoutSecondsPath", "$.run.timeoutSeconds".into()),
            ("ResultSelector", object([("description.$", "States.JsonToString($)".into())])),
            ("ResultPath", "$.ended".into()),
            ("Catch", tuple([any_error])),
            ("Next", "Decide".into()),
        ],
    );
    let states = object([
        ("Admit", invoke(&inputs.functions.admit_arn, ("Payload", order))),
        ("Next", state("Choice", vec![("Choices", tuple(ways)), ("Default", "Failed".into())])),
        ("RunTask", run_task),
        (
            "Wait",
            state("Wait", vec![("SecondsPath", "$.seconds".into()), ("Next", "Decide".into())]),
        ),
        ("Decide", invoke(&inputs.functions.decide_arn, ("Payload.$", "$".into()))),
        ("Done", state("Succeed", vec![("OutputPath", "$.output".into())])),
        (
            "Failed",
            state("Fail", vec![("ErrorPath", "$.Error".into()), ("CausePath", "$.Cause".into())]),
        ),
    ]);
    let comment =
        "Carries an execution of a workstream. The functions admit and decide say what comes next.";
    func::json_encode(object([
        ("Comment", comment.into()),
        ("StartAt", "Admit".into()),
        ("States", states),
    ]))
}

/// The parameters of RunTask.
fn run_task(
    inputs: &FargateInputs<Fargate>,
    around: &Around<'_>,
) -> Vec<(&'static str, Expr<Fargate, Any>)> {
    let strategy =
        object([("CapacityProvider.$", "$.run.capacityProvider".into()), ("Weight", 1.into())]);
    let public = inputs.network.assign_public_ip.choose::<Text>("ENABLED", "DISABLED");
    let network = object([
        ("Subnets", inputs.network.subnet_ids.any()),
        ("SecurityGroups", tuple([inputs.network.security_group_id.any()])),
        ("AssignPublicIp", public.any()),
    ]);
    vec![
        ("Cluster", around.cluster.arn().any()),
        ("TaskDefinition", around.task_definition.arn().any()),
        ("CapacityProviderStrategy", tuple([strategy])),
        ("NetworkConfiguration", object([("AwsvpcConfiguration", network)])),
        ("Overrides.$", "$.run.overrides".into()),
        ("PropagateTags", "TASK_DEFINITION".into()),
    ]
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
        .when("StringEquals", "aws:SourceAccount", account.any())
        .when("ArnEquals", "aws:SourceArn", machine.any());
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
        Statement::allow("RunTask", "ecs: RunTask")
            .on(arn![around.task_definition.arn_without_revision(), ":*"])
            .when("ArnEquals", "ecs:cluster", cluster.any()),
        Statement::allow("TagTasks", "ecs: TagResource").on(tasks.clone()).when(
            "StringEquals",
            "ecs:CreateAction",
            "RunTask",
        ),
        Statement::allow("ManageTasks", "ecs: DescribeTasks StopTask").on(tasks).when(
            "ArnEquals",
            "ecs:cluster",
            cluster.any(),
        ),
        Statement::allow("ManageTaskEvents", "events: DescribeRule PutRule PutTargets").on(arn![
            "arn:",
            partition,
            ":events:",
            &inputs.region,
            ":",
            account,
            ":rule/StepFunctionsGetEventsForECSTaskRule"
        ]),
        Statement::allow("PassRoles", "iam: PassRole")
            .on(around.execution.arn())
            .on(around.task.arn())
            .when("StringEquals", "iam:PassedToService", "ecs-tasks.amazonaws.com"),
        Statement::allow("InvokeFunctions", "lambda: InvokeFunction")
            .on(&inputs.functions.admit_arn)
            .on(&inputs.functions.decide_arn),
        Statement::allow(
            "DeliverLogs",
            "logs: CreateLogDelivery DeleteLogDelivery DescribeLogGroups DescribeResourcePolicies \
             GetLogDelivery ListLogDeliveries PutResourcePolicy UpdateLogDelivery",
        )
        .on_everything("these actions have no resource-level permissions"),
        Statement::allow(
            "WriteTraces",
            "xray: GetSamplingRules GetSamplingTargets PutTelemetryRecords PutTraceSegments",
        )
        .on_everything("X-Ray's actions have no resource-level permissions"),
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
