//! How an execution begins: the input is checked, the workstream's lease is taken.

use ralph_protocol::execution::{
    FILE_PATTERN, INSIDE, MAX_BRANCH, MAX_COMMAND, MAX_DURATION_SECS, MAX_ITERATIONS, MAX_PATH,
    MAX_REPO, MAX_STALLS, Outcome, REPO_PATTERN, restart,
};
use ralph_protocol::table::{EXPIRES_AT, LEASE, PK, SK, WORKSTREAM_PREFIX, attribute};

use super::state_machine::Facts;
use super::state_machine_states::{self as to, INPUT};
use crate::asl::{ANY_ERROR, Catch, Code, Name, Rule, State, Value, code, fields};

/// A conditional write that someone else was faster with.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-ddb.html>
pub(super) const LOST_RACE: &[&str] = &["DynamoDB.ConditionalCheckFailedException"];
/// An execution that AWS has forgotten: 90 days after its end.
const FORGOTTEN: &[&str] = &["Sfn.ExecutionDoesNotExistException", "Sfn.ExecutionDoesNotExist"];
/// How often the lease is asked for when its holder lets it go in that very moment.
const LEASE_TRIES: u32 = 3;
/// How far ahead of the clock the time in an execution's name may be, ms.
const AHEAD_MS: u32 = 3_600_000;

/// The states of this part, in their order.
pub(super) fn states<M>(facts: &Facts<M>) -> Vec<State<M>> {
    vec![
        read_input(facts),
        check_input(),
        prepare(),
        take_lease(facts),
        read_lease(facts),
        holder(),
        describe_holder(facts),
        holder_runs(),
        take_over(facts),
        refuse(),
        busy(),
        break_off(),
    ]
}

fn read_input<M>(facts: &Facts<M>) -> State<M> {
    let workstream = format!("$type({INPUT}.workstream) = 'string' ? {INPUT}.workstream : ''");
    State::pass(to::READ_INPUT, to::CHECK_INPUT)
        .comment("What is not known yet is empty, so that every end can tell what there is.")
        .assign("workstream", code(workstream))
        .assign("files", Value::Known(facts.allow_files.any()))
        .assign("defaultDurationSecs", Value::Known(facts.max_duration_secs.any()))
        .assign("rowLifeSecs", Value::Known(facts.row_life_secs.any()))
        .assign("attempt", 0)
        .assign("run", code("null"))
        .assign("exit", code("null"))
        .assign("outcome", Outcome::Internal.as_str())
        .assign("reason", "")
}

/// The first rule that holds says what is wrong. A conditional (`? :`) keeps a later test from a
/// value of another type, which would fail the execution without a word.
fn check_input<M>() -> State<M> {
    let known =
        quoted(&["workstream", "repo", "base", "branch", "promptFile", "verifyCommand", "limits"]);
    let limits = format!("{INPUT}.limits");
    let known_limits = quoted(&LIMITS.map(|limit| limit.0));
    let name = "$states.context.Execution.Name";
    let mut rules = vec![
        refusal(
            format!("$type({INPUT}) != 'object'"),
            "the input is no JSON object; `ralph run` makes one",
        ),
        refusal(
            format!("$count($keys({INPUT})[$not($ in {known})]) > 0"),
            "the input has a field that is not known; known are workstream, repo, base, branch, promptFile, verifyCommand and limits",
        ),
        refusal(
            "$not($contains($workstream, /^[a-z0-9][a-z0-9-]{0,47}$/))",
            "the workstream is no id; 1 to 48 characters of a-z, 0-9 and -, not starting with -",
        ),
        refusal(
            format!(
                "$substring({name}, 0, $length($workstream) + 1) != $workstream & '-' or $not($contains($substring({name}, $length($workstream) + 1), /^[0-7][0-9A-HJKMNP-TV-Z]{{25}}$/))"
            ),
            "the execution's name is not the workstream, a hyphen and a ULID; `ralph run` makes such names",
        ),
        refusal(
            format!(
                "{} > $millis() + {AHEAD_MS}",
                ulid_ms(&format!("$substring({name}, $length($workstream) + 1, 10)"))
            ),
            "the time in the execution's name is more than an hour ahead; check the clock of the machine that made it",
        ),
    ];
    rules.extend(repo_rules());
    for (field, most) in [
        ("base", MAX_BRANCH),
        ("branch", MAX_BRANCH),
        ("promptFile", MAX_PATH),
        ("verifyCommand", MAX_COMMAND),
    ] {
        let value = format!("{INPUT}.{field}");
        rules.push(refusal(
            format!("$not($type({value}) = 'string' ? $length({value}) >= 1 and $length({value}) <= {most} : $not($exists({value})))"),
            format!("{field} is no text of 1 to {most} characters; leave it out for the environment's own"),
        ));
    }
    rules.push(refusal(
        format!("$type({limits}) = 'object' ? $count($keys({limits})[$not($ in {known_limits})]) > 0 : $exists({limits})"),
        "limits is no object, or has a field that is not known; known are maxIterations, maxDurationSecs, maxCostUsd, iterationTimeoutSecs, silenceSecs and maxStalls",
    ));
    for (field, range, allowed) in LIMITS {
        let value = format!("{limits}.{field}");
        let range = range.replace('#', &value);
        rules.push(refusal(
            format!("$not($type({value}) = 'number' ? {range} : $not($exists({value})))"),
            format!("limits.{field} is out of range; {allowed}"),
        ));
    }
    State::choice(to::CHECK_INPUT, rules, to::PREPARE)
        .comment("Nothing is started, and nothing is written, for an input that is refused.")
}

fn refusal<M>(condition: impl Into<String>, reason: impl Into<String>) -> Rule<M> {
    Rule::when(code(condition), to::REFUSE).output(fields([("reason", reason.into().into())]))
}

fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", names.join(", "))
}

/// Each limit with the range it must be in (`#` stands for it) and that range in words.
const LIMITS: [(&str, &str, &str); 6] = {
    const _: () = assert!(MAX_ITERATIONS == 100_000 && MAX_STALLS == 1_000);
    const _: () = assert!(MAX_DURATION_SECS == 25_920_000);
    const SECONDS: (&str, &str) = (
        "# >= 1 and # <= 25920000 and $floor(#) = #",
        "a whole number of seconds from 1 to 25920000",
    );
    [
        (
            "maxIterations",
            "# >= 1 and # <= 100000 and $floor(#) = #",
            "a whole number from 1 to 100000",
        ),
        ("maxDurationSecs", SECONDS.0, SECONDS.1),
        ("maxCostUsd", "# > 0 and # <= 1000000", "US dollars, more than 0 and at most 1000000"),
        ("iterationTimeoutSecs", SECONDS.0, SECONDS.1),
        ("silenceSecs", SECONDS.0, SECONDS.1),
        ("maxStalls", "# >= 1 and # <= 1000 and $floor(#) = #", "a whole number from 1 to 1000"),
    ]
};

/// The rules of `ralph_protocol::execution::check_repo`.
fn repo_rules<M>() -> [Rule<M>; 2] {
    let regex = |pattern: &str| format!("/{}/", pattern.replace('/', r"\/"));
    let repo = format!("{INPUT}.repo");
    let (https, file) = (regex(REPO_PATTERN), regex(FILE_PATTERN));
    let inside = format!(r"/^https:\/\/[^:\/]*\.({})[:\/]/i", INSIDE.join("|"));
    [
        refusal(
            format!(
                "$not($type({repo}) = 'string' ? $length({repo}) <= {MAX_REPO} and ($contains({repo}, {https}) or ($files and $contains({repo}, {file}))) : false)"
            ),
            format!(
                "the repository is not an https URL of at most {MAX_REPO} characters with a host name and a path, and nothing else; such as https://github.com/you/project, without user name, IP address, query or fragment; the git-token secret is for credentials"
            ),
        ),
        refusal(
            format!("$contains({repo}, {inside})"),
            "the repository's host is a name inside a private network; use a host that the public internet knows",
        ),
    ]
}

/// The time in a ULID's first ten characters, ms since the epoch.
fn ulid_ms(ten: &str) -> String {
    format!(
        "$reduce($split({ten}, ''), function($sum, $char) {{ $sum * 32 + $length($substringBefore('0123456789ABCDEFGHJKMNPQRSTVWXYZ', $char)) }}, 0)"
    )
}

fn prepare<M>() -> State<M> {
    let ulid = "$substring($states.context.Execution.Name, $length($workstream) + 1)";
    let begun = ulid_ms(&format!("$substring({ulid}, 0, 10)"));
    let limit = format!(
        "($exists({INPUT}.limits.maxDurationSecs) ? {INPUT}.limits.maxDurationSecs : $defaultDurationSecs)"
    );
    State::pass(to::PREPARE, to::TAKE_LEASE)
        .comment(
            "The deadline counts from the time in the execution's ULID, as the worker's own does.",
        )
        .assign("order", code(INPUT))
        .assign("ulid", code(ulid))
        .assign("deadline", code(format!("{begun} + 1000 * {limit}")))
        .assign("me", code("$states.context.Execution.Id"))
        .assign("holder", "")
        .assign("leaseTries", 0)
        .assign("spot", 0)
        .assign("waits", 0)
        .assign("inRow", 0)
        .assign("other", 0)
        .assign("capacity", 0)
        .assign("waitUntil", 0)
        .output(code("{}"))
}

/// The key of the lease's row.
fn lease_key<M>() -> [(&'static str, Value<M>); 2] {
    [(PK, s(code(format!("'{WORKSTREAM_PREFIX}' & $workstream")))), (SK, s(LEASE))]
}

/// A text as DynamoDB takes it.
pub(super) fn s<M>(value: impl Into<Value<M>>) -> Value<M> {
    fields([("S", value.into())])
}

/// A number as DynamoDB takes it; the expression gives a text.
pub(super) fn n<M>(value: Code) -> Value<M> {
    fields([("N", value.into())])
}

fn put_lease<M>(
    facts: &Facts<M>,
    name: Name,
    condition: &'static str,
    values: Vec<(&'static str, Value<M>)>,
    names: Vec<(&'static str, &'static str)>,
) -> State<M> {
    let until = format!("$string($floor($deadline / 1000) + {})", restart::LEASE_GRACE_SECS);
    let [pk, sk] = lease_key();
    let item = vec![pk, sk, (attribute::EXECUTION, s(code("$me"))), (EXPIRES_AT, n(code(until)))];
    let names = names.into_iter().map(|(short, name)| (short, name.into())).collect();
    let arguments = fields([
        ("TableName", facts.table.clone().into()),
        ("Item", Value::Object(item)),
        ("ConditionExpression", condition.into()),
        ("ExpressionAttributeNames", Value::Object(names)),
        ("ExpressionAttributeValues", Value::Object(values)),
    ]);
    State::task(name, facts.call("dynamodb:putItem"), arguments, to::TIME_LEFT)
        .output(code("{}"))
        .retry(LOST_RACE, 0)
        .retry(&[ANY_ERROR], 4)
}

fn take_lease<M>(facts: &Facts<M>) -> State<M> {
    put_lease(
        facts,
        to::TAKE_LEASE,
        "attribute_not_exists(#pk) OR #expires < :now OR #execution = :me",
        vec![(":me", s(code("$me"))), (":now", n(code("$string($floor($millis() / 1000))")))],
        vec![("#pk", PK), ("#expires", EXPIRES_AT), ("#execution", attribute::EXECUTION)],
    )
    .comment("One execution a workstream. Its own lease counts as free: a call that AWS repeats.")
    .catch(Catch::of(LOST_RACE, code("{}"), to::READ_LEASE))
    .catch(broken())
}

fn read_lease<M>(facts: &Facts<M>) -> State<M> {
    let arguments = fields([
        ("TableName", facts.table.clone().into()),
        ("Key", Value::Object(lease_key().into())),
        ("ConsistentRead", true.into()),
    ]);
    let holder = format!(
        "$exists($states.result.Item.{0}.S) ? $states.result.Item.{0}.S : ''",
        attribute::EXECUTION
    );
    State::task(to::READ_LEASE, facts.call("dynamodb:getItem"), arguments, to::HOLDER)
        .assign("holder", code(holder))
        .assign("leaseTries", code("$leaseTries + 1"))
        .output(code("{}"))
        .retry(&[ANY_ERROR], 4)
        .catch(broken())
}

fn holder<M>() -> State<M> {
    State::choice(
        to::HOLDER,
        vec![
            Rule::when(
                code(format!("$holder = '' and $leaseTries < {LEASE_TRIES}")),
                to::TAKE_LEASE,
            ),
            Rule::when(code("$holder = ''"), to::BUSY),
        ],
        to::DESCRIBE_HOLDER,
    )
    .comment("The holder may have let go in between: then the lease is asked for again.")
}

fn describe_holder<M>(facts: &Facts<M>) -> State<M> {
    let arguments = fields([("ExecutionArn", code("$holder").into())]);
    State::task(
        to::DESCRIBE_HOLDER,
        facts.call("aws-sdk:sfn:describeExecution"),
        arguments,
        to::HOLDER_RUNS,
    )
    .output(fields([("status", code("$states.result.Status").into())]))
    .retry(FORGOTTEN, 0)
    .retry(&[ANY_ERROR], 4)
    .catch(Catch::of(FORGOTTEN, code("{}"), to::TAKE_OVER))
    .catch(broken())
}

fn holder_runs<M>() -> State<M> {
    let runs = Rule::when(code(format!("{INPUT}.status = 'RUNNING'")), to::BUSY);
    State::choice(to::HOLDER_RUNS, vec![runs], to::TAKE_OVER)
        .comment("An execution that was stopped leaves its lease behind.")
}

fn take_over<M>(facts: &Facts<M>) -> State<M> {
    put_lease(
        facts,
        to::TAKE_OVER,
        "#execution = :holder",
        vec![(":holder", s(code("$holder")))],
        vec![("#execution", attribute::EXECUTION)],
    )
    .comment("Only from the holder that was looked at: of two that look, one is faster.")
    .catch(Catch::of(LOST_RACE, code("{}"), to::BUSY))
    .catch(broken())
}

fn refuse<M>() -> State<M> {
    State::pass(to::REFUSE, to::REPORT)
        .assign("outcome", Outcome::Refused.as_str())
        .assign("reason", code(format!("{INPUT}.reason")))
}

fn busy<M>() -> State<M> {
    let reason = "'another execution works on this workstream: ' & ($holder = '' ? 'its lease changes hands' : $holder) & '; wait for its end, or stop it with `ralph stop`'";
    State::pass(to::BUSY, to::REPORT)
        .assign("outcome", Outcome::Busy.as_str())
        .assign("reason", code(reason))
}

/// Where a service's error leads that nothing else is done about.
fn broken() -> Catch {
    let reason = "{'reason': $states.errorOutput.Error & ($exists($states.errorOutput.Cause) ? ': ' & $states.errorOutput.Cause : '')}";
    Catch::of(&[ANY_ERROR], code(reason), to::BREAK)
}

fn break_off<M>() -> State<M> {
    State::pass(to::BREAK, to::REPORT)
        .assign("outcome", Outcome::Internal.as_str())
        .assign("reason", code(format!("{INPUT}.reason")))
}
