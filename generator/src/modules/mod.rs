//! The modules: what is made.

mod fargate;
mod secrets;
mod vpc;
mod websocket;

pub use fargate::{Fargate, FargateInputs, FargateOutputs};
pub use secrets::{Secrets, SecretsInputs, SecretsOutputs};
pub use vpc::{Vpc, VpcInputs, VpcOutputs};
pub use websocket::{Websocket, WebsocketInputs, WebsocketOutputs};
