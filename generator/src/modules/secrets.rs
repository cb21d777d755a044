//! The three secrets: metadata only. Values are put by `ralph keys set` and never pass through
//! Terraform, so that none is ever in a plan or a state file.

use ralph_protocol::names::SecretName;

use crate::aws::secrets::Secret;
use crate::hcl::prelude::*;
use crate::skips;

use super::rules;

/// The module `secrets`.
pub struct Secrets;

inputs! {
    /// What the module `secrets` is told.
    pub struct SecretsInputs {
        /// What the secrets' names begin with, such as ralph/dev.
        name_prefix: Text,
        /// Days during which a deleted secret can be restored and its name stays taken: 0, or 7 to 30.
        recovery_window_in_days: Number,
    }
    /// What the module `secrets` may be told.
    pub struct SecretsOptions {
        /// Key that encrypts the secrets; null for AWS's own.
        kms_key_arn: Opt<Arn>,
    }
}

outputs! {
    /// What the module `secrets` tells.
    pub struct SecretsOutputs {
        /// ARN of each secret by its short name.
        arns: Map<Arn>,
        /// ARN of the keys of the model's service.
        anthropic_keys_arn: Arn,
        /// ARN of the git credential.
        git_token_arn: Arn,
        /// ARN of the keys that sign connection tokens.
        signing_keys_arn: Arn,
    }
}

fn description(name: SecretName) -> &'static str {
    match name {
        SecretName::AnthropicKeys => "Keys of the model's service, used in this order.",
        SecretName::GitToken => "Credential for the git host; {} for public repositories.",
        SecretName::WebsocketSigningKeys => "Keys that sign the tokens of WebSocket connections.",
    }
}

impl Published for Secrets {
    fn example() -> SecretsInputs<Constant> {
        SecretsInputs {
            name_prefix: "ralph/example".into(),
            recovery_window_in_days: 0.into(),
            options: SecretsOptions::default(),
        }
    }
}

impl Definition for Secrets {
    const NAME: &'static str = "secrets";
    const ABOUT: &'static str = "Secrets without their values, which `ralph keys set` writes.";
    type Inputs<M> = SecretsInputs<M>;
    type Outputs<M> = SecretsOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: SecretsInputs<Self>) -> SecretsOutputs<Self> {
        let days = &inputs.recovery_window_in_days;
        rules::form(
            m,
            &inputs.name_prefix,
            "^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*$",
            "The prefix has letters, digits and the characters / _ + = . @ -, and no slash at either end.",
            "/ralph/dev/",
        );
        rules::key(m, &inputs.options.kms_key_arn);
        let allowed = days.equals(0).or(days.at_least(7).and(days.at_most(30)));
        m.validate(days, &allowed, "The recovery window is 0, or 7 to 30 days.", 5);

        let arns = SecretName::ALL.map(|name| {
            let secret = Secret::new(&name.as_str().replace('-', "_"))
                .skip(&skips::NO_ROTATION)
                .name(text![&inputs.name_prefix, "/", name.as_str()])
                .description(description(name))
                .recovery_window_in_days(days)
                .kms_key_id(&inputs.options.kms_key_arn);
            (name.as_str(), m.add(secret).arn())
        });
        let [anthropic, git, signing] = arns.clone().map(|(_, arn)| arn);
        SecretsOutputs {
            arns: map(arns),
            anthropic_keys_arn: anthropic,
            git_token_arn: git,
            signing_keys_arn: signing,
        }
    }
}
