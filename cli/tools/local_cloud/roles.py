"""ECS's service-linked role.

MiniStack makes a service-linked role's name from the service's, so that ECS's is AWSServiceRoleForEcs, and
answers EntityAlreadyExists where AWS answers InvalidInput.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
"""

SERVICE = "ecs.amazonaws.com"
NAME = "AWSServiceRoleForECS"


def install():
    """Makes ECS's role as AWS does."""
    from ministack.services import iam

    make = iam._create_service_linked_role

    def create(params):
        if iam._p(params, "AWSServiceName") != SERVICE:
            return make(params)
        if NAME in iam._roles:
            return iam._error(400, "InvalidInput", f"Service role name {NAME} has been taken in this "
                              "account, please try a different suffix.", ns="iam")
        make(params)
        role = iam._roles.pop("AWSServiceRoleForEcs", None)
        role.update(RoleName=NAME, Arn=role["Arn"].replace("AWSServiceRoleForEcs", NAME))
        iam._roles[NAME] = role
        return iam._xml(200, "CreateServiceLinkedRoleResponse", "<CreateServiceLinkedRoleResult><Role>"
                        f"{iam._role_xml(NAME)}</Role></CreateServiceLinkedRoleResult>", ns="iam")

    iam._IAM_HANDLERS["CreateServiceLinkedRole"] = create
