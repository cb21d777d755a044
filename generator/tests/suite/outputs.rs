//! The parameter with an environment's outputs, judged by Terraform with the provider mocked.

use std::fmt::Write as _;

use crate::support::{good, init, terraform, tree, write};

/// Tests in which the modules answer with these subnets, and whatever else they hand out.
fn tests(runs: &[(&str, usize, &str)]) -> String {
    let mut text = "mock_provider \"aws\" {}\n".to_owned();
    for (name, subnets, expected) in runs {
        let ids: Vec<_> = (0..*subnets).map(|n| format!("\"subnet-{n:017x}\"")).collect();
        let _ = write!(
            text,
            r#"
run "{name}" {{
  command = plan
  override_module {{
    target  = module.vpc
    outputs = {{ assign_public_ip = true, subnet_ids = [{}], worker_security_group_id = "sg-1" }}
  }}
  override_module {{
    target  = module.secrets
    outputs = {{ arns = {{ git-token = "arn:t" }}, anthropic_keys_arn = "arn:a", git_token_arn = "arn:t", signing_keys_arn = "arn:w" }}
  }}
  override_module {{
    target  = module.fargate
    outputs = {{ cluster_name = "c", cluster_arn = "arn:c", log_group_arn = "arn:l", log_group_name = "l", repository_url = "u", state_machine_arn = "arn:s", task_definition_arn = "arn:d", worker_image = "u:1" }}
  }}
  override_module {{
    target  = module.websocket
    outputs = {{ admit_function_arn = "arn:f", decide_function_arn = "arn:f", api_id = "i", stage_name = "s", table_name = "t", url = "wss://i" }}
  }}
  {expected}
}}
"#,
            ids.join(", ")
        );
    }
    text
}

#[test]
fn the_parameter_holds_every_output_and_outputs_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &tree());
    let dev = folder.path().join("envs/dev");
    let outputs = std::fs::read_to_string(dev.join("outputs.tf")).unwrap();
    let names: Vec<_> = outputs
        .lines()
        .filter_map(|line| line.strip_prefix("output \"")?.strip_suffix("\" {"))
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let same = |name: &&str| format!("{name} = output.{name}");
    let all: Vec<_> = names.iter().map(same).collect();
    let holds = format!(
        "assert {{\n condition = aws_ssm_parameter.outputs.insecure_value == jsonencode({{ {} }})\n error_message = \"differs\"\n}}\nassert {{\n condition = aws_ssm_parameter.outputs.name == \"/ralph/dev/outputs\"\n error_message = \"differs\"\n}}",
        all.join(", ")
    );
    let refused = "expect_failures = [aws_ssm_parameter.outputs]";
    let runs = [("fits", 100, holds.as_str()), ("does_not_fit", 200, refused)];
    std::fs::write(dev.join("outputs.tftest.hcl"), tests(&runs)).unwrap();
    init(&dev);
    let said = good(&terraform(&dev).args(["test", "-no-color"]).output().unwrap());
    assert!(said.contains("Success! 2 passed, 0 failed."), "{said}");
}
