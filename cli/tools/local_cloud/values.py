"""A secret that was made without a value.

MiniStack gives it a version, so that DescribeSecret and GetSecretValue find one. On AWS it has
none until somebody puts a value.
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
"""


def install():
    """Makes secrets as AWS does."""
    from ministack.services import secretsmanager

    make = secretsmanager._create_secret

    def create(data):
        answer = make(data)
        secret = secretsmanager._secrets.get(data.get("Name"))
        # One that was there already is left as it is.
        if answer[0] == 200 and data.get("SecretString", data.get("SecretBinary")) is None:
            secret["Versions"].clear()
        return answer

    secretsmanager._create_secret = create
