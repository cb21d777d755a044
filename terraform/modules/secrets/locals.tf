# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Makes the secrets without their values: `ralph keys set` sets those.

locals {
  secrets = {
    anthropic-keys         = "Keys of the model's service, used in this order."
    git-token              = "Credential for the git host; {} for public repositories."
    websocket-signing-keys = "Keys that sign the tokens of WebSocket connections."
  }
}
