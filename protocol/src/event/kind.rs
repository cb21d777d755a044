//! The names of the types, as they stand in an event's `type`. [`Kind`](super::Kind) writes the same
//! ones; a test holds the two together.

/// A run begins.
pub const RUN_START: &str = "run.start";
/// The checkout is ready.
pub const CLONE: &str = "clone";
/// The setup command says something.
pub const SETUP: &str = "setup";
/// An iteration begins.
pub const ITER_START: &str = "iter.start";
/// The agent says something.
pub const AGENT_TEXT: &str = "agent.text";
/// The agent uses a tool.
pub const AGENT_TOOL: &str = "agent.tool";
/// A tool answered.
pub const AGENT_TOOL_RESULT: &str = "agent.tool_result";
/// A line of the agent's stderr.
pub const AGENT_STDERR: &str = "agent.stderr";
/// The agent tries a request again.
pub const AGENT_RETRY: &str = "agent.retry";
/// The service reports a usage limit.
pub const LIMIT: &str = "limit";
/// Another key is used from here on.
pub const KEY_ROTATE: &str = "key.rotate";
/// Work was committed and pushed.
pub const CHECKPOINT: &str = "checkpoint";
/// The branch has a pull request.
pub const PULL_REQUEST: &str = "pull_request";
/// An iteration ended.
pub const ITER_END: &str = "iter.end";
/// What the run has spent and reserved.
pub const SPEND: &str = "spend";
/// The worker ends and wants to be started again later.
pub const WAIT: &str = "wait";
/// A signal asked the worker to stop.
pub const INTERRUPT: &str = "interrupt";
/// The run is over.
pub const RUN_END: &str = "run.end";
/// Anything else worth saying.
pub const LOG: &str = "log";
