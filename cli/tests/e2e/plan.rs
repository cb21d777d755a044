//! What Terraform plans for the environment that it has just created.

use serde_json::Value;

use crate::cloud::{cloud, ralph, stderr, stdout};

/// What the local cloud reports differently from what was set, so that a second plan sees a change.
const MISREPORTED: [&str; 2] = [
    // It invents a `jwt_configuration` for a REQUEST authorizer.
    "module.websocket.aws_apigatewayv2_authorizer.",
    // It knows no tracing of state machines.
    "module.fargate.aws_sfn_state_machine.",
];

#[test]
fn a_second_plan_changes_nothing_but_what_the_local_cloud_misreports() {
    let cloud = cloud();
    let folder = cloud.scratch().join("terraform/envs/dev");
    let user = cloud.user();
    let (id, secret) = user.split_once(':').expect("a key");
    let terraform = |arguments: &[&str]| {
        let mut command = ralph(&["terraform"]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        let output = command
            .arg(&folder)
            .args(arguments)
            .envs([
                ("AWS_ACCESS_KEY_ID", id),
                ("AWS_SECRET_ACCESS_KEY", secret),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ENDPOINT_URL", cloud.endpoint()),
            ])
            .env("TF_VAR_lambda_zip", cloud.scratch().join("ralph-lambda.zip"))
            .env("TF_VAR_allow_file_repositories", "true")
            .env("TF_VAR_management_base", cloud.gateway().base())
            .output()
            .expect("terraform runs");
        assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
        stdout(&output)
    };
    let plan = cloud.scratch().join("second.tfplan");
    let plan = plan.to_str().expect("UTF-8");
    terraform(&["plan", "-input=false", "-lock=false", "-out", plan]);
    let shown: Value = serde_json::from_str(&terraform(&["show", "-json", plan])).expect("JSON");
    let changes = shown["resource_changes"].as_array().expect("changes");
    assert!(changes.len() > 30, "the plan knows only {} resources", changes.len());
    let changed: Vec<&str> = changes
        .iter()
        .filter(|change| change["change"]["actions"] != serde_json::json!(["no-op"]))
        .filter_map(|change| change["address"].as_str())
        .filter(|address| !MISREPORTED.iter().any(|known| address.starts_with(known)))
        // Read only.
        .filter(|address| !address.contains(".data."))
        .collect();
    assert_eq!(changed, Vec::<&str>::new());
}
