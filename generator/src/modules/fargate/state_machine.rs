//! The state machine that carries executions, its role and its log.
//!
//! It decides nothing. `admit` and `decide` answer with a `Step` of `ralph_protocol::execution`; the
//! machine does what the step says and hands it back.

use super::{Fargate, Inputs, This, Value, rules};
use crate::aws::iam::{Role, RolePolicy, RolePolicyRef, RoleRef};
use crate::aws::logs::LogGroup;
use crate::aws::sfn::{Logging, StateMachine, StateMachineRef, Tracing};
use crate::hcl::prelude::*;
use crate::skips;

/// The parts of the module that the state machine and its role name.
pub(super) struct Around<'a> {
    pub(super) account: &'a Value<Text>,
    pub(super) cluster: &'a crate::aws::ecs::ClusterRef<Fargate>,
    pub(super) task_definition: &'a crate::aws::ecs::TaskDefinitionRef<Fargate>,
    pub(super) execution: &'a RoleRef<Fargate>,
    pub(super) task: &'a RoleRef<Fargate>,
    pub(super) partition: &'a Value<Text>,
}

/// Adds the state machine.
pub(super) fn add(m: &mut This, inputs: &Inputs, around: &Around<'_>) -> StateMachineRef<Fargate> {
    m.file("iam.tf");
    let (role, policy) = role(m, inputs, around);
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
            .definition(definition(inputs, around))
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
fn definition(inputs: &Inputs, around: &Around<'_>) -> Value<Json> {
    let call = |name: &str| text!["arn:", around.partition, ":states:::", name];
    // For half an hour on average, and not all at once when many executions meet the same trouble.
    let retry = object! {
        ErrorEquals: ["States.ALL".into()], IntervalSeconds: 2, BackoffRate: 2,
        MaxDelaySeconds: 300, MaxAttempts: 18, JitterStrategy: "FULL",
    };
    let invoke = |parameters: Value<Any>| {
        object! {
            Type: "Task",
            Resource: call("lambda:invoke"),
            Parameters: parameters,
            OutputPath: "$.Payload",
            Retry: [retry.clone()],
            Next: "Next",
        }
    };
    let order = object! {
        "execution.$": "$$.Execution.Id",
        "startedAt.$": "$$.Execution.StartTime",
        "order.$": "$",
    };
    let way = |(text, to): (&str, &str)| {
        object! { Variable: "$.next", StringEquals: text, Next: to }
    };
    let any_error = object! {
        ErrorEquals: ["States.ALL".into()], ResultPath: "$.ended", Next: "Decide"
    };
    let states = object! {
        Admit: invoke(object! { FunctionName: &inputs.functions.admit_arn, Payload: order }),
        Next: object! {
            Type: "Choice",
            Choices: [("run", "RunTask"), ("wait", "Wait"), ("done", "Done")].map(way),
            Default: "Failed",
        },
        // The end of a task goes to `decide` as text, whatever it is.
        RunTask: object! {
            Type: "Task",
            Resource: call("ecs:runTask.sync"),
            Parameters: run_task(inputs, around),
            TimeoutSecondsPath: "$.run.timeoutSeconds",
            ResultSelector: object! { "description.$": "States.JsonToString($)" },
            ResultPath: "$.ended",
            Catch: [any_error],
            Next: "Decide",
        },
        Wait: object! { Type: "Wait", SecondsPath: "$.seconds", Next: "Decide" },
        Decide: invoke(object! { FunctionName: &inputs.functions.decide_arn, "Payload.$": "$" }),
        Done: object! { Type: "Succeed", OutputPath: "$.output" },
        Failed: object! { Type: "Fail", ErrorPath: "$.Error", CausePath: "$.Cause" },
    };
    func::json_encode(object! {
        Comment: "Carries an execution of a workstream. The functions admit and decide say what comes next.",
        StartAt: "Admit",
        States: states,
    })
}

/// The parameters of RunTask.
fn run_task(inputs: &Inputs, around: &Around<'_>) -> Value<Any> {
    let network = &inputs.network;
    let strategy = object! { "CapacityProvider.$": "$.run.capacityProvider", Weight: 1 };
    let network = object! {
        Subnets: &network.subnet_ids,
        SecurityGroups: [network.security_group_id.any()],
        AssignPublicIp: network.assign_public_ip.choose::<Text>("ENABLED", "DISABLED"),
    };
    object! {
        Cluster: around.cluster.arn(),
        TaskDefinition: around.task_definition.arn(),
        CapacityProviderStrategy: [strategy],
        NetworkConfiguration: object! { AwsvpcConfiguration: network },
        "Overrides.$": "$.run.overrides",
        PropagateTags: "TASK_DEFINITION",
    }
}

fn role(
    m: &mut This,
    inputs: &Inputs,
    around: &Around<'_>,
) -> (RoleRef<Fargate>, RolePolicyRef<Fargate>) {
    let (cluster, name) = (around.cluster.arn(), &inputs.names.state_machine);
    let (account, partition) = (around.account, around.partition);
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
        .on_everything("the actions of log delivery have no resource-level permissions"),
        Statement::allow(
            "WriteTraces",
            "xray: GetSamplingRules GetSamplingTargets PutTelemetryRecords PutTraceSegments",
        )
        .on_everything("these actions of X-Ray have no resource-level permissions"),
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
