//! The three secrets: metadata only. Values are put by `ralph keys set` and never pass through
//! Terraform, so that none is ever in a plan or a state file.

use ralph_protocol::names::SecretName;

use super::rules;
use crate::aws::secrets::Secret;
use crate::hcl::prelude::*;
use crate::skips;

/// The module `secrets`.
pub struct Secrets;

fields! {
    /// The inputs of the module `secrets`.
    pub struct SecretsInputs {
        /// ARN of the KMS key that encrypts the secrets; null for AWS's own.
        kms_key_arn: Opt<Arn>,
        /// Prefix of the secrets' names, such as ralph/dev.
        name_prefix: Text,
        /// Days in which a deleted secret can be restored and nobody can use its name: 0, or 7 to 30.
        recovery_window_in_days: Number,
    }
}

fields! {
    /// The outputs of the module `secrets`.
    pub struct SecretsOutputs {
        /// ARN of each secret, by its name without the prefix.
        arns: Map<Arn>,
        /// ARN of the secret with the keys of the model's service.
        anthropic_keys_arn: Arn,
        /// ARN of the secret with the git credential.
        git_token_arn: Arn,
        /// ARN of the secret with the keys that sign connection tokens.
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
            ..SecretsInputs::default()
        }
    }
}

impl Definition for Secrets {
    const NAME: &'static str = "secrets";
    const ABOUT: &'static str =
        "Makes the secrets without their values: `ralph keys set` sets those.";
    type Inputs<M> = SecretsInputs<M>;
    type Outputs<M> = SecretsOutputs<M>;

    fn build(m: &mut Module<Self>, inputs: SecretsInputs<Self>) -> SecretsOutputs<Self> {
        let days = &inputs.recovery_window_in_days;
        rules::key(m, &inputs.kms_key_arn);
        rules::form(
            m,
            &inputs.name_prefix,
            "^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*$",
            "have letters, digits and the characters / _ + = . @ and -, and no slash at either end",
            "/ralph/dev/",
        );
        let whole = func::floor(days).equals(days);
        let allowed = days.equals(0).or(days.at_least(7).and(days.at_most(30)).and(whole));
        m.validate(days, &allowed, "be 0, or a whole number from 7 to 30", 5);

        let secrets = m.local(
            "secrets",
            map(SecretName::ALL.map(|name| (name.as_str(), text![description(name)]))),
        );
        let secrets = m.add_each(&secrets, |each| {
            Secret::new("this")
                .skip(&[&skips::NO_ROTATION])
                .name(text![&inputs.name_prefix, "/", &each.key])
                .description(each.value)
                .recovery_window_in_days(days)
                .kms_key_id(&inputs.kms_key_arn)
        });
        let arn = |name: SecretName| secrets.at(name.as_str(), |secret| secret.arn());
        SecretsOutputs {
            arns: secrets.by_key(|secret| secret.arn()),
            anthropic_keys_arn: arn(SecretName::AnthropicKeys),
            git_token_arn: arn(SecretName::GitToken),
            signing_keys_arn: arn(SecretName::WebsocketSigningKeys),
        }
    }
}
