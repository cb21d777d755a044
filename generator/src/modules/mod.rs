//! The modules: what is made.

mod fargate;
mod rules;
mod secrets;
mod vpc;
mod websocket;

pub use fargate::{Fargate, FargateInputs, FargateOptions, FargateOutputs};
pub use secrets::{Secrets, SecretsInputs, SecretsOptions, SecretsOutputs};
pub use vpc::{Vpc, VpcInputs, VpcOptions, VpcOutputs};
pub use websocket::{Websocket, WebsocketInputs, WebsocketOptions, WebsocketOutputs};
