//! The Lambda runtime's side: which function this is, what it works with, and one invocation.

use std::cell::Cell;

use lambda_runtime::{Error, LambdaEvent, Runtime, service_fn};
use ralph_protocol::names::{Handler, metric};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Duration, Instant};

use super::{
    Connections, LogGroup, Management, SecretKeys, SnsTopic, StateMachine, sdk_config,
    shutdown::Working,
};
use crate::{
    authorize::{CachedKeys, authorize},
    config::{Config, ConfigError},
    connect::connect,
    disconnect::disconnect,
    execution::{self, Defaults, Notices},
    invocation::{Invocation, Metric, Stdout},
    ports::{Clock, SystemClock},
    push_logs::{self, push_logs},
    send_logs::{self, send_logs},
    task_events::{self, task_events},
};

/// Runs the function that the handler's name picks, until the service stops it.
///
/// # Errors
/// The environment is not as it should be, or the runtime API cannot be reached.
pub async fn run() -> Result<(), Error> {
    let config = Config::new(|name| std::env::var(name).ok());
    let name = config.resources()?.function(config.handler()?);
    // For as long as the process lives: the runtime wants what it calls to be its own.
    let (name, function): (&'static str, &'static Function) =
        (name.leak(), Box::leak(Box::new(Function::new(&config).await?)));
    let cold: &'static Cell<bool> = Box::leak(Box::new(Cell::new(true)));
    let serve = service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let LambdaEvent { payload, context } = event;
        let left = context.deadline.saturating_sub(SystemClock.now_ms());
        let invocation = Invocation {
            function: name,
            request_id: &context.request_id,
            deadline: Instant::now() + Duration::from_millis(left),
            sink: &Stdout,
        };
        let cold = usize::from(cold.replace(false));
        invocation.metrics(SystemClock.now_ms(), &[Metric::count(metric::COLD_STARTS, cold)]);
        let answer = function.serve(payload.get(), invocation).await;
        answer.inspect_err(|error| {
            invocation.error("invocation failed", &[("problem", error.to_string().into())]);
        })
    });
    let working = Working::new();
    tokio::select! {
        ended = Runtime::new(serve).layer(&working).run() => ended,
        stopped = working.stopped() => stopped,
    }
}

/// A function and what it works with.
enum Function {
    Authorize {
        keys: CachedKeys<SecretKeys>,
        table: Connections,
        audience: String,
    },
    Connect {
        table: Connections,
    },
    Disconnect {
        table: Connections,
    },
    SendLogs {
        table: Connections,
        post: Management,
        logs: LogGroup,
        memory: send_logs::Memory,
    },
    PushLogs {
        table: Connections,
        post: Management,
        memory: push_logs::Memory,
        retention_secs: u64,
    },
    TaskEvents {
        table: Connections,
        post: Management,
        retention_secs: u64,
    },
    Admit {
        table: Connections,
        machine: StateMachine,
        defaults: Defaults,
        retention_secs: u64,
    },
    Decide {
        table: Connections,
        logs: LogGroup,
        notices: Option<Notices<SnsTopic>>,
        retention_secs: u64,
    },
}

impl Function {
    async fn new<F: Fn(&str) -> Option<String>>(config: &Config<F>) -> Result<Self, ConfigError> {
        let handler = config.handler()?;
        let sdk = sdk_config().await;
        let table = Connections::new(&sdk, config.table()?);
        let post = || config.management_endpoint().map(|url| Management::new(&sdk, url));
        Ok(match handler {
            Handler::Authorize => {
                let keys = CachedKeys::new(SecretKeys::new(&sdk, config.signing_keys_arn()?));
                // While the service gives the start its full processor. If it fails, the first
                // request tries again and reports why.
                let _ = keys.warm(SystemClock.now_ms()).await;
                Self::Authorize { keys, table, audience: config.resources()?.audience() }
            }
            Handler::Connect => Self::Connect { table },
            Handler::Disconnect => Self::Disconnect { table },
            Handler::SendLogs => {
                table.warm().await;
                let logs = LogGroup::new(&sdk, config.log_group()?);
                Self::SendLogs { table, post: post()?, logs, memory: send_logs::Memory::default() }
            }
            Handler::PushLogs => {
                table.warm().await;
                Self::PushLogs {
                    table,
                    post: post()?,
                    memory: push_logs::Memory::default(),
                    retention_secs: config.retention_secs()?,
                }
            }
            Handler::TaskEvents => {
                Self::TaskEvents { table, post: post()?, retention_secs: config.retention_secs()? }
            }
            Handler::Admit => Self::Admit {
                table,
                machine: StateMachine::new(&sdk),
                defaults: Defaults {
                    max_duration_secs: config.max_duration_secs()?,
                    file_repositories: config.allow_file_repo()?,
                },
                retention_secs: config.retention_secs()?,
            },
            Handler::Decide => Self::Decide {
                table,
                logs: LogGroup::new(&sdk, config.log_group()?),
                notices: match config.notify_topic_arn() {
                    Some(arn) => Some(Notices {
                        topic: SnsTopic::new(&sdk, arn),
                        environment: config.resources()?.environment().to_owned(),
                        log_url: config.log_url(),
                    }),
                    None => None,
                },
                retention_secs: config.retention_secs()?,
            },
        })
    }

    async fn serve(&self, event: &str, invocation: Invocation<'_>) -> Result<Box<RawValue>, Error> {
        let clock = &SystemClock;
        match self {
            Self::Authorize { keys, table, audience } => {
                let request = read(event)?;
                answer(&authorize(&request, audience, keys, table, clock, invocation).await?)
            }
            Self::Connect { table } => answer(&connect(&read(event)?, table, invocation).await?),
            Self::Disconnect { table } => {
                answer(&disconnect(&read(event)?, table, invocation).await?)
            }
            Self::SendLogs { table, post, logs, memory } => {
                let context = send_logs::Context { table, post, logs, clock, memory };
                answer(&send_logs(&read(event)?, &context, invocation).await)
            }
            Self::PushLogs { table, post, memory, retention_secs } => {
                let retention_secs = *retention_secs;
                let context = push_logs::Context { table, post, clock, memory, retention_secs };
                push_logs(event, &context, invocation).await?;
                answer(&())
            }
            Self::TaskEvents { table, post, retention_secs } => {
                let retention_secs = *retention_secs;
                let context = task_events::Context { table, post, clock, retention_secs };
                task_events(event, &context, invocation).await?;
                answer(&())
            }
            Self::Admit { table, machine, defaults, retention_secs } => {
                let retention_secs = *retention_secs;
                let context = execution::Context { table, clock, retention_secs };
                let admission = serde_json::from_str(event)?;
                answer(
                    &execution::admit(&admission, *defaults, machine, &context, invocation).await?,
                )
            }
            Self::Decide { table, logs, notices, retention_secs } => {
                let retention_secs = *retention_secs;
                let context = execution::Context { table, clock, retention_secs };
                let notices = notices.as_ref();
                answer(&execution::decide(event, logs, notices, &context, invocation).await?)
            }
        }
    }
}

/// Reads an event. serde's own message could quote a token.
fn read<T: DeserializeOwned>(event: &str) -> Result<T, Error> {
    serde_json::from_str(event).map_err(|error| {
        format!("the event does not come from API Gateway ({:?})", error.classify()).into()
    })
}

fn answer(value: &impl Serialize) -> Result<Box<RawValue>, Error> {
    Ok(to_raw_value(value)?)
}
