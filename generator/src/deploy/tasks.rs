//! What the modules fargate and secrets take, and all roles and log groups.

use serde_json::json;

use super::{Grant, arn, global_arn};
use crate::config::Environment;

pub(super) fn all(env: &Environment) -> Vec<Grant> {
    let mut grants = logs(env);
    grants.extend(roles(env));
    grants.extend(runs(env));
    grants
}

fn logs(env: &Environment) -> Vec<Grant> {
    let prefix = env.names.prefix();
    let group = |name: &str| arn(env, "logs", &format!("log-group:{name}"));
    let groups = [
        env.names.log_group(),
        format!("/aws/lambda/{prefix}-*"),
        format!("/aws/vendedlogs/states/{prefix}-*"),
        format!("/aws/apigateway/{prefix}"),
        format!("/ralph/flow/{prefix}"),
    ];
    vec![
        Grant {
            sid: "LookAtLogs",
            why: "DescribeLogGroups is called on all groups.",
            actions: vec!["logs:DescribeLogGroups"],
            resources: vec!["*".to_owned()],
            condition: None,
        },
        Grant {
            sid: "Logs",
            why: "This environment's groups; their lines are neither read nor written.",
            actions: vec![
                "logs:AssociateKmsKey",
                "logs:CreateLogGroup",
                "logs:DeleteLogGroup",
                "logs:DeleteRetentionPolicy",
                "logs:DeleteSubscriptionFilter",
                "logs:DescribeSubscriptionFilters",
                "logs:DisassociateKmsKey",
                "logs:ListTagsForResource",
                "logs:PutRetentionPolicy",
                "logs:PutSubscriptionFilter",
                "logs:TagResource",
                "logs:UntagResource",
            ],
            // AWS checks some of these on the group and some on the group with `:*` behind it.
            resources: groups
                .iter()
                .flat_map(|name| [group(name), group(&format!("{name}:*"))])
                .collect(),
            condition: None,
        },
    ]
}

fn roles(env: &Environment) -> Vec<Grant> {
    let path = env.role_path.trim_start_matches('/');
    let own = vec![global_arn(env, "iam", &format!("role/{path}{}-*", env.names.prefix()))];
    let bounded = env.permissions_boundary_arn.as_ref();
    let with_boundary =
        bounded.map(|boundary| json!({ "StringEquals": { "iam:PermissionsBoundary": boundary } }));
    vec![
        Grant {
            sid: "GrantToOwnRoles",
            why: "Only roles of this environment; with the boundary, where one is set.",
            actions: vec![
                "iam:CreateRole",
                "iam:DeleteRolePolicy",
                "iam:PutRolePermissionsBoundary",
                "iam:PutRolePolicy",
            ],
            resources: own.clone(),
            condition: with_boundary,
        },
        Grant {
            sid: "OwnRoles",
            why: "Only roles of this environment.",
            actions: vec![
                "iam:DeleteRole",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListInstanceProfilesForRole",
                "iam:ListRolePolicies",
                "iam:TagRole",
                "iam:UntagRole",
                "iam:UpdateAssumeRolePolicy",
                "iam:UpdateRole",
            ],
            resources: own.clone(),
            condition: None,
        },
        Grant {
            sid: "GiveRoles",
            why: "A role is given only to the service that it is for.",
            actions: vec!["iam:PassRole"],
            resources: own,
            condition: Some(json!({ "StringEquals": { "iam:PassedToService": [
                "apigateway.amazonaws.com",
                "ecs-tasks.amazonaws.com",
                "lambda.amazonaws.com",
                "states.amazonaws.com",
                "vpc-flow-logs.amazonaws.com",
            ] } })),
        },
        Grant {
            sid: "FirstCluster",
            why: "An account's first cluster makes the role that ECS itself uses.",
            actions: vec!["iam:CreateServiceLinkedRole"],
            resources: vec![global_arn(
                env,
                "iam",
                "role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
            )],
            condition: Some(
                json!({ "StringEquals": { "iam:AWSServiceName": "ecs.amazonaws.com" } }),
            ),
        },
    ]
}

fn runs(env: &Environment) -> Vec<Grant> {
    let names = &env.names;
    let cluster = arn(env, "ecs", &format!("cluster/{}", names.cluster()));
    let family = arn(env, "ecs", &format!("task-definition/{}:*", names.task_family()));
    vec![
        Grant {
            sid: "EcsWithoutResource",
            why: "ECS checks these without a resource.",
            actions: vec![
                "ecs:CreateCluster",
                "ecs:DeregisterTaskDefinition",
                "ecs:DescribeTaskDefinition",
                "ecs:RegisterTaskDefinition",
            ],
            resources: vec!["*".to_owned()],
            condition: None,
        },
        Grant {
            sid: "Cluster",
            why: "This environment's cluster and task definitions. No task is started.",
            actions: vec![
                "ecs:DeleteCluster",
                "ecs:DescribeClusters",
                "ecs:ListTagsForResource",
                "ecs:PutClusterCapacityProviders",
                "ecs:TagResource",
                "ecs:UntagResource",
                "ecs:UpdateCluster",
                "ecs:UpdateClusterSettings",
            ],
            resources: vec![cluster, family],
            condition: None,
        },
        Grant {
            sid: "Images",
            why: "The repository, not what is in it; `just push-worker` needs more.",
            actions: vec![
                "ecr:CreateRepository",
                "ecr:DeleteLifecyclePolicy",
                "ecr:DeleteRepository",
                "ecr:DescribeRepositories",
                "ecr:GetLifecyclePolicy",
                "ecr:ListTagsForResource",
                "ecr:PutImageScanningConfiguration",
                "ecr:PutImageTagMutability",
                "ecr:PutLifecyclePolicy",
                "ecr:TagResource",
                "ecr:UntagResource",
            ],
            resources: vec![arn(env, "ecr", &format!("repository/{}", names.ecr_repository()))],
            condition: None,
        },
        Grant {
            sid: "Secrets",
            why: "The secrets without their values: none is read, none is put.",
            actions: vec![
                "secretsmanager:CreateSecret",
                "secretsmanager:DeleteSecret",
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetResourcePolicy",
                "secretsmanager:TagResource",
                "secretsmanager:UntagResource",
                "secretsmanager:UpdateSecret",
            ],
            resources: vec![arn(
                env,
                "secretsmanager",
                &format!("secret:ralph/{}/*", names.environment()),
            )],
            condition: None,
        },
        Grant {
            sid: "StateMachine",
            why: "This environment's machine; no execution is started.",
            actions: vec![
                "states:CreateStateMachine",
                "states:DeleteStateMachine",
                "states:DescribeStateMachine",
                "states:ListStateMachineVersions",
                "states:ListTagsForResource",
                "states:TagResource",
                "states:UntagResource",
                "states:UpdateStateMachine",
            ],
            resources: vec![arn(env, "states", &format!("stateMachine:{}", names.state_machine()))],
            condition: None,
        },
        Grant {
            sid: "CheckDefinition",
            why: "A definition is checked before there is a machine.",
            actions: vec!["states:ValidateStateMachineDefinition"],
            resources: vec!["*".to_owned()],
            condition: None,
        },
    ]
}
