"""How an ECS task ends.

Without a container engine MiniStack ends a task the moment StopTask is called, always as
"UserInitiated" with exit code 0; it accepts SubmitTaskStateChange and ignores it; and its
`ecs:runTask.sync` gives up after ten minutes and never raises. Tasks run outside of it here
(cli/src/local/fargate.rs), so:

- StopTask asks: the task's desired status changes, and the task goes on until its end is reported.
- SubmitTaskStateChange reports an end, as the agent on ECS's own machines does. The stop code follows
  from what happened: somebody asked, a container exited, or none was started.
  https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
- `ecs:runTask.sync` waits as long as the task runs, answers with the task's description, and raises
  States.TaskFailed with it as the cause unless every container exited with 0.
  https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
"""

import json
import time

POLL_SECONDS = 0.2


def install():
    """Puts these in the place of MiniStack's own."""
    from ministack.services import ecs, stepfunctions

    ecs._ACTION_MAP["StopTask"] = stop
    ecs._ACTION_MAP["SubmitTaskStateChange"] = submit
    stepfunctions._poll_ecs_tasks = wait


def stop(data):
    """StopTask."""
    from ministack.core.responses import json_response
    from ministack.services import ecs

    task, error = _task(data)
    if error:
        return error
    if task["desiredStatus"] != "STOPPED":
        task["desiredStatus"] = "STOPPED"
        task["stopCode"] = "UserInitiated"
        task["stoppedReason"] = data.get("reason", "Task stopped by user")
    return json_response({"task": ecs._sanitize(task)})


def submit(data):
    """SubmitTaskStateChange with the status STOPPED; other changes of a task are MiniStack's."""
    from ministack.core.responses import json_response
    from ministack.services import ecs

    task, error = _task(data)
    if error:
        return error
    if data.get("status") == "STOPPED" and task["lastStatus"] != "STOPPED":
        exits = {each["containerName"]: each.get("exitCode") for each in data.get("containers", [])}
        for container in task["containers"]:
            if exits.get(container["name"]) is not None:
                container["exitCode"] = exits[container["name"]]
        code, reason = "EssentialContainerExited", "Essential container in task exited"
        if task["stopCode"]:
            code, reason = task["stopCode"], task["stoppedReason"]
        elif not exits:
            code, reason = "TaskFailedToStart", data.get("reason", "")
            task["startedAt"] = None
        # Where it is not meant to run, MiniStack takes it for ended.
        task["desiredStatus"] = "RUNNING"
        ecs._mark_task_stopped(task["taskArn"], task, reason, code)
    return json_response({"acknowledgment": "ACCEPT"})


def wait(cluster, arns):
    """What `ecs:runTask.sync` answers, once the task has ended."""
    from ministack.services import ecs, stepfunctions

    while True:
        _, _, body = ecs._describe_tasks({"cluster": cluster, "tasks": arns})
        described = json.loads(body)
        if described["failures"]:
            raise stepfunctions._ExecutionError("ECS.TaskNotFound", json.dumps(described["failures"]))
        task = described["tasks"][0]
        if task["lastStatus"] == "STOPPED":
            break
        time.sleep(POLL_SECONDS)
    answer = _pascal(task)
    if any(container.get("exitCode") != 0 for container in task["containers"]):
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(answer))
    return answer


def _task(data):
    from ministack.core.responses import error_response_json
    from ministack.services import ecs

    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    task = cluster and ecs._resolve_task(data.get("task", ""), cluster)
    if not task:
        return None, error_response_json(
            "InvalidParameterException", "The referenced task was not found.", 400)
    return task, None


def _pascal(value):
    """Step Functions writes the names of an answer's fields with a capital letter."""
    if isinstance(value, list):
        return [_pascal(each) for each in value]
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: _pascal(each) for name, each in value.items()}
    return value
