# Code generated from generator/src/modules/secrets.rs by `just gen`; DO NOT EDIT.
# Secrets without their values, which `ralph keys set` writes.

locals {
  secrets = {
    anthropic-keys         = "Keys of the model's service, used in this order."
    git-token              = "Credential for the git host; {} for public repositories."
    websocket-signing-keys = "Keys that sign the tokens of WebSocket connections."
  }
}
