//! One frame to a thousand connections: push-logs with the SDK behind it, and a bare loop over the
//! SDK's client.

use std::cell::RefCell;

use aws_sdk_apigatewaymanagement::{Client, config::Builder, primitives::Blob};
use futures::{StreamExt, stream};
use ralph_lambdas::{
    aws::{Management, sdk_config},
    invocation::{Invocation, Sink},
    ports::{
        Connection, Post, PostError, RunRow, RunUpdate, StreamOwner, SystemClock, Table,
        Unavailable, Workstreams,
    },
    push_logs::{Context, Memory},
};
use ralph_protocol::{
    ids::{Run, Workstream},
    index::WorkstreamInfo,
};
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::{
    lines::{STREAM, event},
    payloads::{frames, wrap},
};

const CONNECTIONS: usize = 1_000;
const FRAME: usize = 16 << 10;
const IN_FLIGHT: usize = 64;
/// Passes; the first one, which opens the connections, is left out.
const PASSES: usize = 12;
/// When a paced invocation ends at the latest; hanging posts are given up a second earlier.
const PACE: Duration = Duration::from_secs(2);
/// When any other one ends at the latest.
const DEADLINE: Duration = Duration::from_secs(60);

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// A payload whose lines fill one frame of 16 KB.
fn payload() -> String {
    let text = event(1, FRAME - 400);
    let inner = json!({
        "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "/ralph/workstreams",
        "logStream": STREAM, "subscriptionFilters": ["f"],
        "logEvents": [{"id": "1", "timestamp": 1, "message": text}],
    });
    wrap(&inner)
}

/// A table with one run and a thousand followers.
struct Followers(Vec<String>);

impl Workstreams for Followers {
    async fn record_workstream(&self, _: &WorkstreamInfo, _: u64) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn workstream(
        &self,
        _: &Workstream,
        _: u64,
    ) -> Result<Option<WorkstreamInfo>, Unavailable> {
        Ok(None)
    }
    async fn workstreams(
        &self,
        _: Option<&Workstream>,
        _: u64,
    ) -> Result<(Vec<WorkstreamInfo>, Option<Workstream>), Unavailable> {
        Ok((Vec::new(), None))
    }
}

impl Table for Followers {
    async fn put_connection(&self, _: &str, _: &Connection) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn delete_connection(&self, _: &str) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn subscribe(&self, _: &str, _: &Workstream, _: u64) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn unsubscribe(&self, _: &str, _: &Workstream) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn subscriptions(&self, _: &str, _: u64) -> Result<Vec<Workstream>, Unavailable> {
        Ok(Vec::new())
    }
    async fn followers(&self, _: &Workstream, _: u64) -> Result<Vec<String>, Unavailable> {
        Ok(self.0.clone())
    }
    async fn count_unclaimed(
        &self,
        _: &str,
        _: u64,
        _: u64,
        _: u64,
    ) -> Result<Option<StreamOwner>, Unavailable> {
        Ok(None)
    }
    async fn claim_stream(
        &self,
        _: &str,
        owner: &StreamOwner,
        _: u64,
        _: u64,
    ) -> Result<StreamOwner, Unavailable> {
        Ok(owner.clone())
    }
    async fn runs(
        &self,
        _: &Workstream,
        _: Option<&Run>,
        _: usize,
        _: u64,
    ) -> Result<Vec<RunRow>, Unavailable> {
        Ok(Vec::new())
    }
    async fn run(&self, _: &Workstream, _: &Run, _: u64) -> Result<Option<RunRow>, Unavailable> {
        Ok(None)
    }
    async fn record_run(&self, _: &Workstream, _: &Run, _: &RunUpdate) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn record_task(&self, _: &Workstream, _: &Run, _: &RunUpdate) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn count_raw(&self, _: &str, _: &StreamOwner, _: u64, _: u64) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn use_token(&self, _: &str, _: u64) -> Result<bool, Unavailable> {
        Ok(true)
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn line(&self, _: &str) {}
}

/// Notes when each post was done.
struct Timed<P> {
    post: P,
    done: RefCell<Vec<Instant>>,
}

impl<P: Post> Post for Timed<P> {
    async fn post(&self, connection: &str, frame: &[u8]) -> Result<(), PostError> {
        let result = self.post.post(connection, frame).await;
        if result.is_ok() {
            self.done.borrow_mut().push(Instant::now());
        }
        result
    }
}

fn report(begun: Instant, mut done: Vec<Instant>) {
    done.sort();
    let ms = |at: usize| (done[at.min(done.len() - 1)] - begun).as_secs_f64() * 1e3;
    let (p99, last) = (ms(done.len() * 99 / 100), ms(done.len()));
    println!("{}", json!({"posts": done.len(), "p99Ms": p99, "lastMs": last}));
}

/// By push-logs: payload, packing, fan-out, and the rest of an invocation. Paced, the next pass
/// begins no earlier than if a connection had hung: only then can the two be compared.
pub fn push_logs(url: &str, paced: bool) {
    let payload = payload();
    assert_eq!(frames(&payload).len(), 1);
    block_on(async {
        let table = Followers((0..CONNECTIONS).map(|n| format!("c{n}=")).collect());
        let management = Management::new(&sdk_config().await, url.to_owned());
        let post = Timed { post: management, done: RefCell::default() };
        let memory = Memory::default();
        for pass in 0..PASSES {
            let context = Context {
                table: &table,
                post: &post,
                clock: &SystemClock,
                memory: &memory,
                retention_secs: 86_400,
            };
            let invocation = Invocation {
                function: "bench",
                request_id: "bench",
                deadline: Instant::now() + if paced { PACE } else { DEADLINE },
                sink: &Nowhere,
            };
            let begun = Instant::now();
            let done = ralph_lambdas::push_logs::push_logs(&payload, &context, invocation).await;
            done.expect("delivered");
            let done = post.done.take();
            if pass > 0 {
                report(begun, done);
            }
            if paced {
                tokio::time::sleep_until(begun + PACE).await;
            }
        }
    });
}

/// By nothing but the SDK's client.
pub fn bare(url: &str) {
    let frame = frames(&payload()).remove(0);
    block_on(async {
        let config = sdk_config().await;
        let client = Client::from_conf(Builder::from(&config).endpoint_url(url).build());
        for pass in 0..PASSES {
            let begun = Instant::now();
            let done: Vec<_> = stream::iter(0..CONNECTIONS)
                .map(|n| {
                    let data = Blob::new(frame.as_slice());
                    let post =
                        client.post_to_connection().connection_id(format!("c{n}=")).data(data);
                    async move {
                        post.send().await.expect("posted");
                        Instant::now()
                    }
                })
                .buffer_unordered(IN_FLIGHT)
                .collect()
                .await;
            if pass > 0 {
                report(begun, done);
            }
        }
    });
}
