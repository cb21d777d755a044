//! The worker with the real agent, offline, against a scripted model. `just test-agent` fetches the
//! agent that docker/worker.Dockerfile pins, and starts this.

mod failures;
#[path = "../worker/harness.rs"]
#[allow(dead_code, reason = "the worker's other tests use more of it")]
mod harness;
mod offers;
mod prices;
mod scripted;
mod tasks;
#[path = "../worker/tls.rs"]
#[expect(dead_code, reason = "nothing is served here")]
mod tls;
