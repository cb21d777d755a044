"""How an ECS task ends.

Without a container engine MiniStack ends a task the moment StopTask is called, always as
"UserInitiated" with exit code 0; it accepts SubmitTaskStateChange and ignores it; and its
`ecs:runTask.sync` gives up after ten minutes, never raises, and knows no TimeoutSecondsPath. Tasks run
outside of it here (cli/src/local/fargate.rs), so:

- SubmitTaskStateChange reports that a task was taken up and that it has ended, as the agent on ECS's
  own machines does. The stop code follows from what happened: somebody asked, a container exited, or
  none was started.
  https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
- StopTask ends a task that nobody has taken up. Otherwise it asks: the task's desired status changes,
  and the task goes on until its end is reported.
- `ecs:runTask.sync` waits as long as the task runs, or until its state's time is up, when it stops the
  task. It answers with the task's description, and raises States.TaskFailed with it as the cause unless
  every container exited with 0.
  https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html

AWS also stops a task when its execution is aborted. Here it goes on.
"""

import contextvars
import json
import math
import time

# When the state that is executed has taken too long, on the monotonic clock.
deadline = contextvars.ContextVar("deadline", default=math.inf)
POLL_SECONDS = 0.2
# A field of ours in MiniStack's description of a task. It shows nobody fields with an underscore.
TAKEN = "_taken"


def install():
    """Puts these in the place of MiniStack's own."""
    from ministack.services import ecs, stepfunctions

    ecs._ACTION_MAP["StopTask"] = stop
    ecs._ACTION_MAP["SubmitTaskStateChange"] = submit
    stepfunctions._poll_ecs_tasks = wait
    execute = stepfunctions._execute_task

    def execute_task(state, data, execution, context):
        path = state.get("TimeoutSecondsPath")
        seconds = stepfunctions._resolve_path(path, data) if path else math.inf
        token = deadline.set(time.monotonic() + seconds)
        try:
            return execute(state, data, execution, context)
        finally:
            deadline.reset(token)

    stepfunctions._execute_task = execute_task


def stop(data):
    """StopTask."""
    from ministack.core.concurrency import resource_lock
    from ministack.core.responses import json_response
    from ministack.services import ecs

    task = _find(data)
    if task is None:
        return _not_found()
    with resource_lock("ecs-task", task["taskArn"]):
        if task["desiredStatus"] != "STOPPED":
            task["stopCode"] = "UserInitiated"
            task["stoppedReason"] = data.get("reason", "Task stopped by user")
            task["desiredStatus"] = "STOPPED"
            if not task.get(TAKEN):
                _end(task)
    return json_response({"task": ecs._sanitize(task)})


def submit(data):
    """SubmitTaskStateChange with the status RUNNING or STOPPED."""
    from ministack.core.concurrency import resource_lock
    from ministack.core.responses import json_response

    task = _find(data)
    if task is None:
        return _not_found()
    with resource_lock("ecs-task", task["taskArn"]):
        if data["status"] == "RUNNING":
            if task["desiredStatus"] == "STOPPED":
                return _not_found()
            task[TAKEN] = True
        elif data["status"] == "STOPPED" and task["lastStatus"] != "STOPPED":
            exits = {one["containerName"]: one["exitCode"] for one in data.get("containers", [])}
            for container in task["containers"]:
                if container["name"] in exits:
                    container["exitCode"] = exits[container["name"]]
            if not exits:
                task["startedAt"] = None
            if not task["stopCode"] and exits:
                task["stopCode"] = "EssentialContainerExited"
                task["stoppedReason"] = "Essential container in task exited"
            elif not task["stopCode"]:
                task["stopCode"] = "TaskFailedToStart"
                task["stoppedReason"] = data.get("reason", "")
            _end(task)
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
        if time.monotonic() > deadline.get():
            stop({"cluster": cluster, "task": task["taskArn"], "reason": "Task timed out"})
            raise stepfunctions._ExecutionError("States.Timeout", "")
        time.sleep(POLL_SECONDS)
    answer = _pascal(task)
    if any(container.get("exitCode") != 0 for container in task["containers"]):
        raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(answer))
    return answer


def _end(task):
    """Ends a task whose lock is held."""
    from ministack.services import ecs

    now = ecs._iso()
    for container in task["containers"]:
        container["lastStatus"] = "STOPPED"
    task.update(desiredStatus="STOPPED", lastStatus="STOPPED", stoppingAt=now, executionStoppedAt=now,
                stoppedAt=now)
    ecs._recount_cluster(ecs._cluster_name_from_arn(task["clusterArn"]))


def _find(data):
    from ministack.services import ecs

    cluster = ecs._resolve_cluster_name(data.get("cluster", "default"))
    return ecs._resolve_task(data.get("task", ""), cluster) if cluster else None


def _not_found():
    from ministack.core.responses import error_response_json

    return error_response_json(
        "InvalidParameterException", "The referenced task was not found.", 400)


def _pascal(value):
    """Step Functions writes the names of an answer's fields with a capital letter."""
    if isinstance(value, list):
        return [_pascal(each) for each in value]
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: _pascal(each) for name, each in value.items()}
    return value
