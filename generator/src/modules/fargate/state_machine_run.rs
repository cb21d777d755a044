//! How an execution goes on: a run is begun, its end is read, and what follows is decided.

use ralph_protocol::execution::{Outcome, restart as limit};
use ralph_protocol::exit::RunExit;
use ralph_protocol::names::{CONTAINER, worker_env as env};
use ralph_protocol::table::{
    EXPIRES_AT, PK, RUN_PREFIX, RunState, SK, WORKSTREAM_PREFIX, attribute,
};

use super::state_machine::Facts;
use super::state_machine_start::{LOST_RACE, n, s};
use super::state_machine_states::{self as to, INPUT};
use crate::asl::{ANY_ERROR, Catch, Code, Name, Rule, State, Value, code, fields};
use crate::hcl::{object, tuple};

/// No room, of Spot's or at all, or too many at once: found in what ECS says.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>
const NO_CAPACITY: &str = "/capacity is unavailable|capacity unavailable|no capacity|insufficient capacity|RESOURCE:|limit on the number of (tasks|vcpus)|rate exceeded|throttl/i";

/// What a person must mend before a task can start: the image, a secret, the network, a permission.
const CANNOT_START: &str = "/CannotPull|CannotCreateContainer|CannotStartContainer|ResourceInitializationError|registry auth|secretsmanager|network interface|subnet|security group|AccessDenied|not authorized|InvalidParameter|ClusterNotFound|TaskDefinition/i";

/// AWS's own hiccups among them: they pass by themselves.
const PASSES: &str = "/timeout waiting for/i";

/// The states of this part, in their order.
pub(super) fn states<M>(facts: &Facts<M>) -> Vec<State<M>> {
    vec![
        time_left(),
        out_of_time(),
        State::pass(to::COUNT_RUN, to::BEGIN_RUN).assign("attempt", code("$attempt + 1")),
        begin_run(),
        note_run(facts),
        run_task(facts),
        normalise(),
        task_was_made(),
        note_failure(facts),
        classify(),
        end(),
        give_up(),
        again(to::COUNT_SPOT, "spot", to::TIME_LEFT),
        again(to::COUNT_WAIT, "waits", to::SETTLE),
        State::pass(to::COUNT_CAPACITY, to::WAIT_FOR_CAPACITY)
            .assign("capacity", code("$capacity + 1")),
        State::pass(to::COUNT_OTHER, to::PAUSE)
            .assign("inRow", code("$inRow + 1"))
            .assign("other", code("$other + 1"))
            .assign("capacity", 0),
        settle(),
        read_wait(facts),
        how_long(),
        State::pass(to::WAIT_UNKNOWN, to::HOW_LONG)
            .assign("waitUntil", code(format!("$millis() + {}", limit::WAIT_SECS * 1000))),
        wait_until(),
        wait_for_capacity(),
        pause(),
        release_lease(facts),
        report(),
        how_it_ended(),
        State::succeed(to::DONE),
        failed(),
    ]
}

fn time_left<M>() -> State<M> {
    let over = Rule::when(code("$millis() >= $deadline"), to::OUT_OF_TIME);
    State::choice(to::TIME_LEFT, vec![over], to::COUNT_RUN)
}

/// Ends the execution as the worker itself would at its deadline.
fn out_of_time<M>() -> State<M> {
    State::pass(to::OUT_OF_TIME, to::RELEASE_LEASE)
        .assign("outcome", Outcome::Limit.as_str())
        .assign("exit", i32::from(RunExit::Duration.code()))
        .assign("reason", RunExit::Duration.about())
}

/// The worker's environment beside what the task definition says. What the order does not name
/// has no value, and is left out.
fn environment() -> String {
    let entries = [
        (env::WORKSTREAM, "$workstream".to_owned()),
        (env::RUN, "$id".to_owned()),
        (env::ATTEMPT, "$string($attempt)".to_owned()),
        (env::REPO, "$order.repo".to_owned()),
        (env::BASE, "$order.base".to_owned()),
        (env::BRANCH, "$order.branch".to_owned()),
        (env::PROMPT_FILE, "$order.promptFile".to_owned()),
        (env::VERIFY_COMMAND, "$order.verifyCommand".to_owned()),
        (env::MAX_ITERATIONS, "$string($order.limits.maxIterations)".to_owned()),
        (env::MAX_DURATION_SECS, "$string($order.limits.maxDurationSecs)".to_owned()),
        (env::MAX_COST_USD, "$string($order.limits.maxCostUsd)".to_owned()),
        (env::ITERATION_TIMEOUT_SECS, "$string($order.limits.iterationTimeoutSecs)".to_owned()),
        (env::SILENCE_SECS, "$string($order.limits.silenceSecs)".to_owned()),
        (env::MAX_STALLS, "$string($order.limits.maxStalls)".to_owned()),
    ];
    let entries = entries.map(|(name, value)| format!("{{'Name': '{name}', 'Value': {value}}}"));
    format!("[{}][$exists(Value)]", entries.join(", "))
}

fn begin_run<M>() -> State<M> {
    let run = "$ulid & '-' & $pad($string($attempt), -4, '0')";
    let output = format!(
        "($id := {run}; {{'capacityProvider': $capacity >= {spot} ? 'FARGATE' : 'FARGATE_SPOT', 'environment': {environment}, 'timeoutSeconds': $ceil(($deadline - $millis()) / 1000) + {grace}}})",
        spot = limit::SPOT_TRIES,
        environment = environment(),
        grace = limit::GRACE_SECS,
    );
    State::pass(to::BEGIN_RUN, to::NOTE_RUN)
        .comment(
            "What of RunTask differs from run to run is made here, so that the history shows it.",
        )
        .assign("run", code(run))
        .output(code(output))
}

fn run_key<M>() -> [(&'static str, Value<M>); 2] {
    [
        (PK, s(code(format!("'{WORKSTREAM_PREFIX}' & $workstream")))),
        (SK, s(code(format!("'{RUN_PREFIX}' & $run")))),
    ]
}

/// What a new row of a run holds, whoever writes it. See `ralph_protocol::table`.
fn row<M>(state: RunState) -> Vec<(&'static str, Value<M>)> {
    vec![
        (attribute::ATTEMPT, n(code("$string($attempt)"))),
        (attribute::STARTED_AT, n(code("$string($millis())"))),
        (attribute::LAST_SEQ, fields([("N", "0".into())])),
        (attribute::LAST_TS, fields([("N", "0".into())])),
        (attribute::STATE, s(state.as_str())),
        (attribute::STATE_RANK, fields([("N", state.rank().to_string().into())])),
        (EXPIRES_AT, n(code("$string($floor($millis() / 1000) + $rowLifeSecs)"))),
    ]
}

fn note_run<M>(facts: &Facts<M>) -> State<M> {
    let mut item: Vec<_> = run_key().into();
    item.extend(row(RunState::Starting));
    let arguments = fields([
        ("TableName", facts.table.clone().into()),
        ("Item", Value::Object(item)),
        ("ConditionExpression", "attribute_not_exists(#pk)".into()),
        ("ExpressionAttributeNames", fields([("#pk", PK.into())])),
    ]);
    State::task(to::NOTE_RUN, facts.call("dynamodb:putItem"), arguments, to::RUN_TASK)
        .comment("So that `runs` shows a run that has not begun to speak. Not worth a failure: the first event makes the row, too.")
        .output(code(INPUT))
        .retry(LOST_RACE, 0)
        .retry(&[ANY_ERROR], 2)
        .catch(Catch::of(&[ANY_ERROR], code(INPUT), to::RUN_TASK))
}

fn run_task<M>(facts: &Facts<M>) -> State<M> {
    let network = object([(
        "AwsvpcConfiguration",
        object([
            ("Subnets", facts.subnet_ids.any()),
            ("SecurityGroups", tuple([facts.security_group_id.any()])),
            // Without NAT a task reaches its image only with an address of its own.
            (
                "AssignPublicIp",
                facts
                    .assign_public_ip
                    .choose::<crate::hcl::types::Text>("ENABLED", "DISABLED")
                    .any(),
            ),
        ]),
    )]);
    let worker = object([("Name", CONTAINER.into()), ("Environment.$", "$.environment".into())]);
    let parameters = object([
        ("Cluster", facts.cluster.any()),
        ("TaskDefinition", facts.task_definition.any()),
        (
            "CapacityProviderStrategy",
            tuple([object([
                ("CapacityProvider.$", "$.capacityProvider".into()),
                ("Weight", 1.into()),
            ])]),
        ),
        ("NetworkConfiguration", network),
        ("Overrides", object([("ContainerOverrides", tuple([worker]))])),
        ("PropagateTags", "TASK_DEFINITION".into()),
    ]);
    State::timed_task(
        to::RUN_TASK,
        facts.call("ecs:runTask.sync"),
        parameters,
        ("$.timeoutSeconds", "$.task"),
        to::NORMALISE,
    )
    .comment("The time limit is what is left until the deadline, and some time to push.")
    .catch(Catch::at(&[ANY_ERROR], "$.error", to::NORMALISE))
}

/// On AWS `.sync` raises States.TaskFailed with the task's description as cause when a container
/// did not end with 0; the local cloud returns it. On AWS its fields begin with a capital. What
/// RunTask itself answers, without a task, is an error of another name, or an empty list of tasks
/// with a list of failures.
fn normalise<M>() -> State<M> {
    let steps = [
        format!("$error := {INPUT}.error"),
        "$cause := $exists($error.Cause) ? $error.Cause : ''".to_owned(),
        format!("$answer := $exists($error) ? ($contains($cause, /^\\{{[\\s\\S]*\\}}$/) ? $parse($cause) : {{}}) : {INPUT}.task"),
        "$task := $exists($answer.Tasks[0]) ? $answer.Tasks[0] : $exists($answer.tasks[0]) ? $answer.tasks[0] : $answer".to_owned(),
        // Null and absent are the same here.
        "$text := function($value) { $type($value) = 'string' ? $value : '' }".to_owned(),
        "$either := function($one, $two) { $text($one) != '' ? $text($one) : $text($two) }".to_owned(),
        format!("$workers := $append($task.Containers, $task.containers)[Name = '{CONTAINER}' or name = '{CONTAINER}']"),
        "$worker := $exists($workers[0]) ? $workers[0] : {}".to_owned(),
        "$exit := $type($worker.ExitCode) = 'number' ? $worker.ExitCode : $type($worker.exitCode) = 'number' ? $worker.exitCode : null".to_owned(),
        "$failure := $exists($answer.Failures[0]) ? $answer.Failures[0] : $exists($answer.failures[0]) ? $answer.failures[0] : {}".to_owned(),
        "$made := $either($task.TaskArn, $task.taskArn) != ''".to_owned(),
        "$stopped := $either($task.StoppedReason, $task.stoppedReason)".to_owned(),
        "$why := $either($worker.Reason, $worker.reason)".to_owned(),
        "$joined := function($parts) { $exists($parts[0]) ? $join($parts, ': ') : '' }".to_owned(),
        "$said := $joined([$stopped, $why][$ != ''])".to_owned(),
        "$refused := $joined([$either($failure.Reason, $failure.reason), $either($failure.Detail, $failure.detail)][$ != ''])".to_owned(),
        "$raised := $exists($error) ? $error.Error & ($cause != '' ? ': ' & $substring($cause, 0, 1000) : '') : ''".to_owned(),
        "{'made': $made, 'timedOut': $exists($error) ? $error.Error = 'States.Timeout' : false, 'stopCode': $either($task.StopCode, $task.stopCode), 'exit': $exit, 'reason': $made ? $said : $refused != '' ? $refused : $raised}".to_owned(),
    ];
    State::pass(to::NORMALISE, to::TASK_WAS_MADE)
        .comment("Success and failure become one shape, on AWS and in the local cloud.")
        .output(code(format!("({})", steps.join("; "))))
}

fn task_was_made<M>() -> State<M> {
    let made = Rule::when(code(format!("{INPUT}.made or {INPUT}.timedOut")), to::CLASSIFY);
    State::choice(to::TASK_WAS_MADE, vec![made], to::NOTE_FAILURE)
        .comment("Where there is no task no event tells of its end; the row is written here.")
}

fn note_failure<M>(facts: &Facts<M>) -> State<M> {
    let failed = RunState::Failed;
    let arguments = fields([
        ("TableName", facts.table.clone().into()),
        ("Key", Value::Object(run_key().into())),
        (
            "UpdateExpression",
            "SET #state = :state, #rank = :rank, #reason = :reason, #attempt = if_not_exists(#attempt, :attempt), #started = if_not_exists(#started, :now), #seq = if_not_exists(#seq, :zero), #ts = if_not_exists(#ts, :zero), #expires = :expires".into(),
        ),
        ("ConditionExpression", "attribute_not_exists(#rank) OR #rank < :rank".into()),
        (
            "ExpressionAttributeNames",
            fields([
                ("#state", attribute::STATE.into()),
                ("#rank", attribute::STATE_RANK.into()),
                ("#reason", attribute::REASON.into()),
                ("#attempt", attribute::ATTEMPT.into()),
                ("#started", attribute::STARTED_AT.into()),
                ("#seq", attribute::LAST_SEQ.into()),
                ("#ts", attribute::LAST_TS.into()),
                ("#expires", EXPIRES_AT.into()),
            ]),
        ),
        (
            "ExpressionAttributeValues",
            fields([
                (":state", s(failed.as_str())),
                (":rank", fields([("N", failed.rank().to_string().into())])),
                (":reason", s(code(format!("$substring({INPUT}.reason, 0, 500)")))),
                (":attempt", n(code("$string($attempt)"))),
                (":now", n(code("$string($millis())"))),
                (":zero", fields([("N", "0".into())])),
                (":expires", n(code("$string($floor($millis() / 1000) + $rowLifeSecs)"))),
            ]),
        ),
    ]);
    State::task(to::NOTE_FAILURE, facts.call("dynamodb:updateItem"), arguments, to::CLASSIFY)
        .output(code(INPUT))
        .retry(LOST_RACE, 0)
        .retry(&[ANY_ERROR], 4)
        .catch(Catch::of(&[ANY_ERROR], code(INPUT), to::CLASSIFY))
}

/// The order of these rules is the order of what counts more.
fn classify<M>() -> State<M> {
    let exit = format!("{INPUT}.exit");
    let reason = || Value::from(code(format!("{INPUT}.reason")));
    let mut rules = vec![ends(code_is("stopCode", &["UserInitiated"]), Outcome::Stopped, reason())];
    for done in RunExit::ALL.into_iter().filter(|exit| exit.is_final()) {
        let outcome = match done {
            RunExit::Complete => Outcome::Complete,
            RunExit::Iterations | RunExit::Duration | RunExit::Budget | RunExit::Stalled => {
                Outcome::Limit
            }
            _ => Outcome::Blocked,
        };
        rules.push(ends(format!("{exit} = {}", done.code()), outcome, done.about().into()));
    }
    let spot = code_is("stopCode", &["SpotInterruption", "TerminationNotice"]);
    let allowed = |kind: &str, counter: &str, most: u32, next| {
        Rule::when(code(format!("{kind} and ${counter} < {most}")), next)
    };
    rules.push(allowed(&spot, "spot", limit::MAX_SPOT, to::COUNT_SPOT));
    rules.push(gives_up(
        &spot,
        &format!("Spot capacity was taken back {} times", limit::MAX_SPOT + 1),
    ));
    let waits = format!("{exit} = {}", RunExit::Waiting.code());
    rules.push(allowed(&waits, "waits", limit::MAX_WAITS, to::COUNT_WAIT));
    rules.push(gives_up(&waits, &format!("the worker waited {} times", limit::MAX_WAITS + 1)));
    rules.push(Rule::when(code(format!("{INPUT}.timedOut")), to::OUT_OF_TIME));
    // A worker that ran has had capacity, and was able to start.
    let no_exit = format!("{exit} = null");
    let found = |pattern: &str| format!("$contains({INPUT}.reason, {pattern})");
    let full = format!("{no_exit} and {}", found(NO_CAPACITY));
    rules.push(allowed(&full, "capacity", limit::MAX_CAPACITY, to::COUNT_CAPACITY));
    rules.push(gives_up(&full, &format!("no capacity in {} starts", limit::MAX_CAPACITY + 1)));
    let stuck = format!("{no_exit} and {} and $not({})", found(CANNOT_START), found(PASSES));
    rules.push(ends(stuck, Outcome::CannotStart, reason()));
    let in_row = format!("$inRow < {}", limit::MAX_IN_A_ROW);
    rules.push(allowed(&in_row, "other", limit::MAX_OTHER, to::COUNT_OTHER));
    State::choice(to::CLASSIFY, rules, to::GIVE_UP)
}

fn code_is(field: &str, codes: &[&str]) -> String {
    let codes: Vec<String> = codes.iter().map(|code| format!("'{code}'")).collect();
    format!("{INPUT}.{field} in [{}]", codes.join(", "))
}

/// The execution is over.
fn ends<M>(condition: String, outcome: Outcome, reason: Value<M>) -> Rule<M> {
    Rule::when(code(condition), to::END).output(fields([
        ("outcome", outcome.as_str().into()),
        ("exit", code(format!("{INPUT}.exit")).into()),
        ("reason", reason),
    ]))
}

fn gives_up<M>(condition: &str, what: &str) -> Rule<M> {
    ends(condition.to_owned(), Outcome::GaveUp, last(what).into())
}

fn end<M>() -> State<M> {
    let field = |name: &str| code(format!("{INPUT}.{name}"));
    State::pass(to::END, to::RELEASE_LEASE)
        .assign("outcome", field("outcome"))
        .assign("exit", field("exit"))
        .assign("reason", field("reason"))
}

fn give_up<M>() -> State<M> {
    State::pass(to::GIVE_UP, to::RELEASE_LEASE)
        .assign("outcome", Outcome::GaveUp.as_str())
        .assign("exit", code(format!("{INPUT}.exit")))
        .assign("reason", last("restarted as often as allowed"))
}

/// Another run, counted. It breaks a row of other ends, and finds capacity anew.
fn again<M>(name: Name, counter: &'static str, next: Name) -> State<M> {
    State::pass(name, next)
        .assign(counter, code(format!("${counter} + 1")))
        .assign("inRow", 0)
        .assign("capacity", 0)
}

/// What happened, and how the last run ended.
fn last(what: &str) -> Code {
    let last = format!(
        "({INPUT}.exit != null ? '; last exit ' & $string({INPUT}.exit) : '') & ({INPUT}.reason != '' ? '; last reason: ' & {INPUT}.reason : '')"
    );
    code(format!("'{what}' & {last}"))
}

fn settle<M>() -> State<M> {
    State::wait(to::SETTLE, code(limit::SETTLE_SECS.to_string()), to::READ_WAIT)
        .comment("The worker's last lines say until when it waits; they take a while to arrive.")
        .output(code("{}"))
}

fn read_wait<M>(facts: &Facts<M>) -> State<M> {
    let arguments = fields([
        ("TableName", facts.table.clone().into()),
        ("Key", Value::Object(run_key().into())),
        ("ConsistentRead", true.into()),
    ]);
    let until = format!(
        "$exists($states.result.Item.{0}.N) ? $number($states.result.Item.{0}.N) : $millis() + {1}",
        attribute::WAIT_UNTIL,
        limit::WAIT_SECS * 1000
    );
    State::task(to::READ_WAIT, facts.call("dynamodb:getItem"), arguments, to::HOW_LONG)
        .assign("waitUntil", code(until))
        .output(code("{}"))
        .retry(&[ANY_ERROR], 4)
        .catch(Catch::of(&[ANY_ERROR], code("{}"), to::WAIT_UNKNOWN))
}

fn how_long<M>() -> State<M> {
    let past = Rule::when(code("$waitUntil <= $millis()"), to::TIME_LEFT);
    let never = Rule::when(code("$waitUntil >= $deadline"), to::OUT_OF_TIME);
    State::choice(to::HOW_LONG, vec![past, never], to::WAIT_UNTIL)
}

fn wait_until<M>() -> State<M> {
    State::wait_until(to::WAIT_UNTIL, code("$fromMillis($waitUntil)"), to::TIME_LEFT)
}

fn wait_for_capacity<M>() -> State<M> {
    let seconds = format!(
        "$min([{}, {} * $power(2, $capacity - 1)])",
        limit::CAPACITY_WAIT_MAX_SECS,
        limit::CAPACITY_WAIT_SECS
    );
    State::wait(to::WAIT_FOR_CAPACITY, code(seconds), to::TIME_LEFT).output(code("{}"))
}

fn pause<M>() -> State<M> {
    let seconds = format!("{} * $inRow", limit::OTHER_WAIT_SECS);
    State::wait(to::PAUSE, code(seconds), to::TIME_LEFT).output(code("{}"))
}

fn release_lease<M>(facts: &Facts<M>) -> State<M> {
    let arguments = fields([
        ("TableName", facts.table.clone().into()),
        (
            "Key",
            fields([
                (PK, s(code(format!("'{WORKSTREAM_PREFIX}' & $workstream")))),
                (SK, s(ralph_protocol::table::LEASE)),
            ]),
        ),
        ("ConditionExpression", "#execution = :me".into()),
        ("ExpressionAttributeNames", fields([("#execution", attribute::EXECUTION.into())])),
        ("ExpressionAttributeValues", fields([(":me", s(code("$me")))])),
    ]);
    State::task(to::RELEASE_LEASE, facts.call("dynamodb:deleteItem"), arguments, to::REPORT)
        .comment("By its owner only. A lease that stays is taken over: its execution has ended.")
        .output(code("{}"))
        .retry(LOST_RACE, 0)
        .retry(&[ANY_ERROR], 4)
        .catch(Catch::of(&[ANY_ERROR], code("{}"), to::REPORT))
}

fn report<M>() -> State<M> {
    State::pass(to::REPORT, to::HOW_IT_ENDED).output(fields([
        ("workstream", code("$workstream").into()),
        ("outcome", code("$outcome").into()),
        ("exit", code("$exit").into()),
        ("reason", code("$reason").into()),
        ("attempts", code("$attempt").into()),
        ("run", code("$run").into()),
    ]))
}

fn how_it_ended<M>() -> State<M> {
    let good: Vec<String> = Outcome::ALL
        .into_iter()
        .filter(|outcome| outcome.succeeds())
        .map(|outcome| format!("'{}'", outcome.as_str()))
        .collect();
    let good = Rule::when(code(format!("$outcome in [{}]", good.join(", "))), to::DONE);
    State::choice(to::HOW_IT_ENDED, vec![good], to::FAILED)
}

fn failed<M>() -> State<M> {
    let errors: Vec<String> = Outcome::ALL
        .into_iter()
        .filter_map(|outcome| Some(format!("'{}': '{}'", outcome.as_str(), outcome.error()?)))
        .collect();
    let error = format!("$lookup({{{}}}, $outcome)", errors.join(", "));
    State::fail(to::FAILED, code(error), code(format!("$string({INPUT})")))
}
