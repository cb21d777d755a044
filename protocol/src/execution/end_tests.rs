//! The table in docs/operations.md, row by row, and what AWS documents that ECS says.

use serde_json::json;

use super::{End, EndKind as Kind, Ended};
use crate::exit::RunExit;

/// As AWS raises the end of a task whose container did not exit with 0.
fn raised(code: &str, reason: &str, exit: Option<i64>) -> Ended {
    let task = json!({
        "TaskArn": "arn:aws:ecs:us-east-1:111122223333:task/ralph-dev/1", "StopCode": code,
        "StoppedReason": reason,
        "Containers": [{"Name": "sidecar", "ExitCode": 9}, {"Name": "worker", "ExitCode": exit}],
    });
    error("States.TaskFailed", &task.to_string())
}

fn error(name: &str, cause: &str) -> Ended {
    Ended { error: Some(name.into()), cause: Some(cause.into()), description: None }
}

fn returned(description: &str) -> Ended {
    Ended { description: Some(description.into()), ..Ended::default() }
}

fn kind(ended: &Ended) -> Kind {
    End::read(ended).kind()
}

#[test]
fn a_stop_by_a_user_comes_before_any_exit_code() {
    for exit in [None, Some(0), Some(75), Some(137)] {
        assert_eq!(kind(&raised("UserInitiated", "Task stopped by user", exit)), Kind::Stopped);
    }
}

#[test]
fn every_exit_code_of_the_worker_has_its_row() {
    for exit in RunExit::ALL {
        let expected = match exit {
            RunExit::Waiting => Kind::Waiting,
            RunExit::Internal | RunExit::Interrupted => Kind::Other,
            last => Kind::Final(last),
        };
        let ended = raised("EssentialContainerExited", "", Some(exit.code().into()));
        assert_eq!(kind(&ended), expected, "{exit:?}");
    }
    for killed in [137, 139, 1, 255] {
        assert_eq!(kind(&raised("EssentialContainerExited", "", Some(killed))), Kind::Other);
    }
}

#[test]
fn capacity_that_is_taken_back_is_an_interruption_unless_the_worker_was_done() {
    for code in ["SpotInterruption", "TerminationNotice"] {
        for exit in [None, Some(75), Some(76), Some(137), Some(50)] {
            assert_eq!(kind(&raised(code, "", exit)), Kind::Interrupted, "{code} {exit:?}");
        }
        assert_eq!(kind(&raised(code, "", Some(0))), Kind::Final(RunExit::Complete));
    }
}

#[test]
fn a_task_that_outlives_its_time_limit_has_timed_out() {
    assert_eq!(kind(&error("States.Timeout", "")), Kind::TimedOut);
    assert!(!End::read(&error("States.TaskFailed", "States.Timeout")).timed_out);
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html>
#[test]
fn what_a_stopped_task_says_that_did_not_start() {
    for (expected, said) in [
        (
            Kind::NoCapacity,
            "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        ),
        (
            Kind::NoCapacity,
            "InsufficientFreeAddressesInSubnet: The specified subnet does not have enough free addresses to satisfy the request.",
        ),
        (
            Kind::NoCapacity,
            "Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-1': InsufficientFreeAddressesInSubnet",
        ),
        // What passes by itself.
        (Kind::Other, "Timeout waiting for network interface provisioning to complete."),
        (
            Kind::Other,
            "Timeout waiting for EphemeralStorage provisioning to complete. Please retry later.",
        ),
        (
            Kind::Other,
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 5 time(s): failed to fetch secret arn from secrets manager: RequestCanceled: request context canceled caused by: context deadline exceeded",
        ),
        (
            Kind::Other,
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network configuration.",
        ),
        (Kind::Other, "ResourceInitializationError: unable to pull secrets or registry auth"),
        (
            Kind::Other,
            "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: RequestError: send request failed caused by: Post \"https://logs.us-east-1.amazonaws.com/\": dial tcp 10.0.0.1:443: i/o timeout : exit status 1",
        ),
        (
            Kind::Other,
            "ResourceInitializationError: failed to validate logger args: : signal: killed",
        ),
        (
            Kind::Other,
            "ResourceInitializationError: failed to configure ENI: failed to setup regular eni: context deadline exceeded",
        ),
        (
            Kind::Other,
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref 1.dkr.ecr.us-east-1.amazonaws.com/ralph-worker:0.1.0: failed to do request: Head \"https://1.dkr.ecr\": net/http: TLS handshake timeout",
        ),
        (
            Kind::Other,
            "CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: httpReadSeeker: failed open: unexpected EOF",
        ),
        (
            Kind::Other,
            "CannotPullContainerError: inspect image has been retried 5 time(s): dial tcp: lookup 1.dkr.ecr.us-east-1.amazonaws.com: no such host",
        ),
        (
            Kind::Other,
            "CannotPullContainerError: httpReadSeeker: failed open: unexpected status code 429 Too Many Requests",
        ),
        (Kind::Other, "CannotStartContainerError: failed to get container status: unknown"),
        (Kind::Other, "ContainerRuntimeError: failed to create container"),
        (
            Kind::Other,
            "ContainerRuntimeTimeoutError: Could not transition to running; timed out after waiting 1m",
        ),
        (Kind::Other, "InternalError: The service could not complete the request"),
        (Kind::Other, "OutOfMemoryError: container killed due to memory usage"),
        (Kind::Other, "Task failed ELB health checks"),
        (Kind::Other, ""),
        // What a person must fix.
        (
            Kind::CannotStart,
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 1.dkr.ecr.us-east-1.amazonaws.com/ralph-worker:0.1.0: 1.dkr.ecr.us-east-1.amazonaws.com/ralph-worker:0.1.0: not found",
        ),
        (
            Kind::CannotStart,
            "CannotPullContainerError: Error response from daemon: manifest for ralph-worker:0.1.0 not found: manifest unknown: Requested image not found",
        ),
        (
            Kind::CannotStart,
            "CannotPullContainerError: The task can't pull the image. Check whether the image exists: repository does not exist or may require authorization",
        ),
        (
            Kind::CannotStart,
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): image Manifest does not contain descriptor matching platform 'linux/amd64'",
        ),
        (
            Kind::CannotStart,
            "CannotPullContainerError: ref pull has been retried 1 time(s): failed to copy: httpReadSeeker: failed open: unexpected status code https://x: 403 Forbidden",
        ),
        (
            Kind::CannotStart,
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret arn from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
        ),
        (
            Kind::CannotStart,
            "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: InvalidRequestException: You can't perform this operation on the secret because it was marked for deletion.",
        ),
        (
            Kind::CannotStart,
            "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve ecr registry auth: AccessDeniedException: User: arn is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows it",
        ),
        (
            Kind::CannotStart,
            "ResourceInitializationError: failed to create new container runtime task: failed to create shim task: OCI runtime create failed: exec: \"ralph-loop-cloud\": executable file not found in $PATH",
        ),
        (
            Kind::CannotStart,
            "ResourceInitializationError: failed to create new container runtime task: exec format error",
        ),
        (
            Kind::CannotStart,
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from Secrets Manager did not contain json key password",
        ),
        (
            Kind::CannotStart,
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): invalid character 'h' looking for beginning of value",
        ),
        (
            Kind::CannotStart,
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: OCI runtime create failed: container_linux.go:370: starting container process caused: exec: \"/usr/local/bin/ralph-loop-cloud\": stat /usr/local/bin/ralph-loop-cloud: no such file or directory: unknown",
        ),
        (
            Kind::CannotStart,
            "CannotStartContainerError: Error response from daemon: failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/usr/local/bin/ralph-loop-cloud\": stat /usr/local/bin/ralph-loop-cloud: no such file or directory: unknown",
        ),
        // Cut off after 255 characters.
        (
            Kind::CannotStart,
            "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/usr/local/bin/ralph-loop-cloud\": sta",
        ),
        // Something else that the runtime did not find.
        (
            Kind::Other,
            "CannotStartContainerError: ResourceInitializationError: unable to create new container: mount callback failed on /tmp/containerd-mount1: open /tmp/containerd-mount1/etc/passwd: no such file or directory",
        ),
    ] {
        assert_eq!(kind(&raised("TaskFailedToStart", said, None)), expected, "{said}");
    }
}

/// The stop codes that AWS documents, where nothing else decides.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>
#[test]
fn every_stop_code_without_an_exit_code_has_its_row() {
    for (code, expected) in [
        ("TaskFailedToStart", Kind::Other),
        ("EssentialContainerExited", Kind::Other),
        ("UserInitiated", Kind::Stopped),
        ("ServiceSchedulerInitiated", Kind::Other),
        ("SpotInterruption", Kind::Interrupted),
        ("TerminationNotice", Kind::Interrupted),
        ("InfrastructureHealth", Kind::Other),
        ("SomethingNew", Kind::Other),
    ] {
        assert_eq!(kind(&raised(code, "", None)), expected, "{code}");
    }
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>
#[test]
fn what_run_task_answers_when_it_makes_no_task() {
    let failures = |reason: &str| {
        returned(&json!({"Tasks": [], "Failures": [{"Arn": "a", "Reason": reason}]}).to_string())
    };
    for (ended, expected) in [
        (failures("Capacity is unavailable at this time."), Kind::NoCapacity),
        (failures("RESOURCE:ENI"), Kind::NoCapacity),
        (failures("RESOURCE:MEMORY"), Kind::NoCapacity),
        (failures("AGENT"), Kind::Other),
        (
            error("AmazonECS.Unknown", "[{Reason: Capacity is unavailable at this time.}]"),
            Kind::NoCapacity,
        ),
        (error("ECS.ThrottlingException", "Rate exceeded"), Kind::NoCapacity),
        (
            error(
                "ECS.ClientException",
                "You've reached the limit on the number of tasks that you can run concurrently",
            ),
            Kind::NoCapacity,
        ),
        (error("ECS.ServerException", "Service Unavailable. Please try again later."), Kind::Other),
        (error("ECS.ClusterNotFoundException", "Cluster not found."), Kind::CannotStart),
        (
            error("ECS.InvalidParameterException", "The security group sg-1 does not exist"),
            Kind::CannotStart,
        ),
        (
            error(
                "ECS.InvalidParameterException",
                "Unable to assume the service linked role. Please verify that it exists.",
            ),
            Kind::Other,
        ),
        (
            error("ECS.InvalidParameterException", "InsufficientFreeAddressesInSubnet"),
            Kind::NoCapacity,
        ),
        (error("ECS.ClientException", "TaskDefinition is inactive"), Kind::CannotStart),
        (
            error("ECS.ClientException", "No Fargate configuration exists for given values."),
            Kind::CannotStart,
        ),
        (error("ECS.PlatformTaskDefinitionIncompatibilityException", ""), Kind::CannotStart),
        (
            error(
                "ECS.AccessDeniedException",
                "User is not authorized to perform: ecs:RunTask on resource: arn:aws:ecs:us-east-1:1:task-definition/x",
            ),
            Kind::CannotStart,
        ),
    ] {
        let end = End::read(&ended);
        assert_eq!((end.kind(), end.made, end.started), (expected, false, false), "{ended:?}");
        assert!(!end.reason.is_empty(), "{ended:?}");
    }
}

/// Whatever ECS answers, an execution goes on as after any other end.
#[test]
fn an_answer_that_is_broken_is_any_other_end() {
    for text in [
        "",
        "{oops}",
        "null",
        "[]",
        "7",
        "\"x\"",
        "{}",
        r#"{"Tasks":null}"#,
        r#"{"Tasks":{}}"#,
        r#"{"Tasks":[7]}"#,
        r#"{"TaskArn":7,"Containers":"x"}"#,
        r#"{"TaskArn":"a","Containers":[null,{"Name":"worker","ExitCode":"0"}]}"#,
        r#"{"TaskArn":"a","Containers":[{"Name":"worker","ExitCode":99999999999999999999}]}"#,
    ] {
        assert_eq!(kind(&returned(text)), Kind::Other, "{text}");
        assert_eq!(kind(&error("States.TaskFailed", text)), Kind::Other, "{text}");
    }
    assert_eq!(kind(&Ended::default()), Kind::Other);
}

#[test]
fn a_description_is_read_returned_or_raised() {
    let aws = r#"{"TaskArn":"arn:aws:ecs:us-east-1:111122223333:task/ralph-dev/a","StartedAt":1,"StoppedAt":1700000000123,"StopCode":"EssentialContainerExited","StoppedReason":"s","Containers":[{"Name":"worker","ExitCode":10,"Reason":"r"}]}"#;
    let expected = End {
        made: true,
        started: true,
        stream: Some("worker/worker/a".into()),
        stopped_at: Some(1_700_000_000_123),
        timed_out: false,
        stop_code: "EssentialContainerExited".into(),
        exit: Some(10),
        reason: "s: r".into(),
    };
    assert_eq!(End::read(&returned(aws)), expected);
    assert_eq!(End::read(&error("States.TaskFailed", aws)), expected);
}

/// As `ecs:runTask.sync` raises it; the message is the container's, not the task's.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Container.html>
#[test]
fn a_worker_that_is_not_in_the_image_has_a_reason_that_names_the_image() {
    let said = "CannotStartContainerError: ResourceInitializationError: failed to create new container runtime task: OCI runtime create failed: unable to start container process: exec: \"/usr/local/bin/ralph-loop-cloud\": stat /usr/local/bin/ralph-loop-cloud: no such file or directory: unknown";
    let end = |reason: &str, image: &str| {
        let worker = json!({"Name": "worker", "Image": image, "Reason": reason});
        let task = json!({
            "TaskArn": "t/a", "StopCode": "TaskFailedToStart", "StoppedReason": "Task failed to start",
            "Containers": [{"Name": "sidecar", "Image": "another"}, worker],
        });
        End::read(&error("States.TaskFailed", &task.to_string()))
    };
    let found = end(said, "registry/own:1");
    assert_eq!(found.kind(), Kind::CannotStart);
    assert_eq!(
        found.reason,
        format!(
            "image `registry/own:1` has no worker that starts, /usr/local/bin/ralph-loop-cloud (docs/images.md says what an image must have): Task failed to start: {said}"
        )
    );
    // Nobody knows the image.
    assert_eq!(end(said, "").reason, format!("Task failed to start: {said}"));
    // ECS names it itself, or the image is not the reason.
    for other in [
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref registry/own:1: registry/own:1: not found",
        "OutOfMemoryError: container killed due to memory usage",
        "",
    ] {
        assert!(!end(other, "registry/own:1").reason.contains("docs/images.md"), "{other}");
    }
    let long = end(&format!("{said}{}", "x".repeat(5_000)), "registry/own:1").reason;
    assert!(long.contains("`registry/own:1`") && long.chars().count() == super::MAX_TEXT);
}

#[test]
fn a_task_whose_worker_never_ran_has_no_stream() {
    let placed = r#"{"TaskArn":"t/a","StartedAt":null,"Containers":[{"Name":"worker"}]}"#;
    let ran = placed.replace("null", "1");
    assert_eq!(End::read(&returned(placed)).stream, None);
    assert_eq!(End::read(&returned(&ran)).stream.as_deref(), Some("worker/worker/a"));
    assert_eq!(End::read(&error("States.Timeout", "")).stream, None);
}

#[test]
fn the_time_of_a_stop_is_read_in_each_of_its_forms() {
    for (text, ms) in [
        ("1700000000123", Some(1_700_000_000_123)),
        ("1.700000000123E12", Some(1_700_000_000_123)),
        ("1700000000.5", Some(1_700_000_000_500)),
        (r#""2023-11-14T22:13:20.123Z""#, Some(1_700_000_000_123)),
        (r#""soon""#, None),
        ("null", None),
        ("{}", None),
    ] {
        let task = format!(r#"{{"TaskArn":"t/a","StoppedAt":{text}}}"#);
        assert_eq!(End::read(&returned(&task)).stopped_at, ms, "{text}");
    }
}

#[test]
fn a_long_reason_is_cut() {
    let end = End::read(&error("ECS.X", &"ä".repeat(100_000)));
    assert_eq!(end.reason.chars().count(), super::MAX_TEXT);
}
