"""The access keys of this start.

MiniStack takes `test`, any twelve digits and a missing key for root, and makes a function's key from
its ARN, which is public. Here root's key is the one that was given to this process, and functions
get random ones, which live as long as the process.
"""

import os
import secrets
import string

_ALPHABET = string.ascii_uppercase + "234567"


def is_known(key):
    """Whether a key was given out: the operator's, a session's (functions), or an IAM user's."""
    from ministack.services import iam, sts

    return (
        key == os.environ["AWS_ACCESS_KEY_ID"]
        or key in sts._sessions
        or any(stored == key for _, stored in iam._access_keys.to_dict())
    )


def install():
    """Gives functions random keys, one for each function and role."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc, sts

    given = {}

    def execution_credentials(config):
        arn, role = config["FunctionArn"], config.get("Role", "")
        if (arn, role) not in given:
            account = arn.split(":")[4]
            name, session = role.rsplit("/", 1)[-1], config["FunctionName"][:64]
            key = "ASIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
            secret, token = secrets.token_hex(32), secrets.token_hex(32)
            sts.register_session(key, {
                "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
                "UserId": f"{name}:{session}",
                "SecretAccessKey": secret,
                "SessionToken": token,
            })
            given[arn, role] = {
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_SESSION_TOKEN": token,
            }
        return given[arn, role]

    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials
