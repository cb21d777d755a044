//! What the modules fargate and secrets take, and all roles and log groups.

use serde_json::json;

use super::{EVERYTHING, Grant, arn};
use crate::config::Environment;

pub(super) fn all(env: &Environment) -> Vec<Grant> {
    let names = &env.names;
    let (name, prefix) = (names.environment(), names.prefix());
    let log_groups = [
        names.log_group(),
        format!("/aws/lambda/{prefix}-*"),
        format!("/aws/vendedlogs/states/{prefix}-*"),
        format!("/aws/apigateway/{prefix}"),
        format!("/ralph/flow/{prefix}"),
    ];
    // AWS checks some actions on the group and some on the group with `:*` behind it.
    let log_groups = log_groups.iter().flat_map(|group| {
        ["", ":*"].map(|end| arn(env, "logs", &format!("log-group:{group}{end}")))
    });
    let path = env.role_path.trim_start_matches('/');
    let roles = [arn(env, "iam", &format!("role/{path}{prefix}-*"))];
    let ecs_role = "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
    let ecs_role = [arn(env, "iam", ecs_role)];
    let served = ["apigateway", "ecs-tasks", "lambda", "states", "vpc-flow-logs"];
    let served = served.map(|service| format!("{service}.amazonaws.com"));
    let bounded = env.permissions_boundary_arn.as_ref();
    let bounded = bounded.map(|arn| json!({ "StringEquals": { "iam:PermissionsBoundary": arn } }));
    vec![
        Grant::new(
            "LookAtLogs",
            "DescribeLogGroups is called on all groups.",
            "logs: DescribeLogGroups",
            [EVERYTHING],
        ),
        Grant::new(
            "Logs",
            "This environment's groups; their lines are neither read nor written.",
            "logs: AssociateKmsKey CreateLogGroup DeleteLogGroup DeleteRetentionPolicy \
             DeleteSubscriptionFilter DescribeSubscriptionFilters DisassociateKmsKey \
             ListTagsForResource PutRetentionPolicy PutSubscriptionFilter TagResource UntagResource",
            log_groups,
        ),
        Grant::new(
            "GrantToOwnRoles",
            "Only roles of this environment; with the boundary, where one is set.",
            "iam: CreateRole DeleteRolePolicy PutRolePermissionsBoundary PutRolePolicy",
            roles.clone(),
        )
        .when(bounded),
        Grant::new(
            "OwnRoles",
            "Only roles of this environment.",
            "iam: DeleteRole GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies \
             ListInstanceProfilesForRole TagRole UntagRole UpdateAssumeRolePolicy UpdateRole",
            roles.clone(),
        ),
        Grant::new(
            "GiveRoles",
            "A role is given only to the service that it is for.",
            "iam: PassRole",
            roles,
        )
        .when(json!({ "StringEquals": { "iam:PassedToService": served } })),
        Grant::new(
            "MakeEcsRole",
            "ECS's own role, which `create_service_linked_role` or an account's first cluster makes.",
            "iam: CreateServiceLinkedRole",
            ecs_role.clone(),
        )
        .when(json!({ "StringEquals": { "iam:AWSServiceName": "ecs.amazonaws.com" } })),
        Grant::new(
            "EcsRole",
            "That role, for `create_service_linked_role`. While there is a cluster, ECS refuses to let \
             it be deleted.",
            "iam: DeleteServiceLinkedRole GetRole GetServiceLinkedRoleDeletionStatus TagRole UntagRole",
            ecs_role,
        ),
        Grant::new(
            "RegisterTask",
            "ECS checks this without a resource. What is registered gets this environment's tag.",
            "ecs: RegisterTaskDefinition",
            [EVERYTHING],
        )
        .when(json!({ "StringEquals": { "aws:RequestTag/Environment": name } })),
        Grant::new(
            "AnyTaskDefinition",
            "ECS checks these without a resource, a tag or another condition: they reach every task \
             definition of the account. A deregistered one can still be read, and its tasks run on.",
            "ecs: DeregisterTaskDefinition DescribeTaskDefinition",
            [EVERYTHING],
        ),
        Grant::new(
            "Cluster",
            "This environment's cluster and task definitions. No task is started.",
            "ecs: CreateCluster DeleteCluster DescribeClusters ListTagsForResource TagResource \
             PutClusterCapacityProviders UntagResource UpdateCluster UpdateClusterSettings",
            [
                arn(env, "ecs", &format!("cluster/{}", names.cluster())),
                arn(env, "ecs", &format!("task-definition/{}:*", names.task_family())),
            ],
        ),
        Grant::new(
            "Images",
            "The repository, not what is in it; `just push-worker` needs more.",
            "ecr: CreateRepository DeleteLifecyclePolicy DeleteRepository DescribeRepositories \
             GetLifecyclePolicy ListTagsForResource PutImageScanningConfiguration \
             PutImageTagMutability PutLifecyclePolicy TagResource UntagResource",
            [arn(env, "ecr", &format!("repository/{}", names.ecr_repository()))],
        ),
        Grant::new(
            "Secrets",
            "The secrets. The value of one that exists is neither read nor changed.",
            "secretsmanager: CreateSecret DeleteSecret DescribeSecret GetResourcePolicy TagResource \
             UntagResource",
            [arn(env, "secretsmanager", &format!("secret:ralph/{name}/*"))],
        ),
        Grant::new(
            "StateMachine",
            "This environment's machine; no execution is started.",
            "states: CreateStateMachine DeleteStateMachine DescribeStateMachine ListTagsForResource \
             ListStateMachineVersions TagResource UntagResource UpdateStateMachine",
            [arn(env, "states", &format!("stateMachine:{}", names.state_machine()))],
        ),
        Grant::new(
            "CheckDefinition",
            "A definition is checked before there is a machine.",
            "states: ValidateStateMachineDefinition",
            [EVERYTHING],
        ),
    ]
}
