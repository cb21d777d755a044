//! Ships lines to a log stream as the awslogs driver does: in order, in batches, losing none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::mpsc,
    task::JoinHandle,
};

use crate::aws::LogWriter;

/// How long lines are gathered. The driver's own is 5 s; nobody wants to wait as long on one
/// machine.
const GATHER: Duration = Duration::from_millis(100);
/// Lines that may wait. When they are as many the worker's stdout blocks (`mode = blocking`).
const QUEUE: usize = 10_000;
/// How often a batch is tried before shipping gives up; with the pauses, for about two minutes.
const TRIES: u32 = 60;
/// The longest pause between tries.
const PAUSE: Duration = Duration::from_secs(2);

type Line = (i64, String);

/// Ships to one stream.
pub struct Shipper {
    lines: mpsc::Sender<Line>,
    task: JoinHandle<Result<()>>,
}

impl Shipper {
    pub fn start(logs: LogWriter, group: String, stream: String) -> Self {
        let (lines, queue) = mpsc::channel(QUEUE);
        Self { lines, task: tokio::spawn(ship(logs, group, stream, queue)) }
    }

    /// Reads lines until the end of `from`, and gives the last one back; empty where there was none.
    pub fn read(&self, from: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<String> {
        let lines = self.lines.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(from);
            let mut line = Vec::new();
            let mut last = String::new();
            while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                // CloudWatch refuses an empty message.
                if !line.is_empty() {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    last.clone_from(&text);
                    if lines.send((now_ms(), text)).await.is_err() {
                        break;
                    }
                }
                line.clear();
            }
            last
        })
    }

    /// Ships what is left. Readers must have ended.
    pub async fn finish(self) -> Result<()> {
        drop(self.lines);
        self.task.await?
    }
}

async fn ship(
    logs: LogWriter,
    group: String,
    stream: String,
    mut queue: mpsc::Receiver<Line>,
) -> Result<()> {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, QUEUE).await > 0 {
        tokio::time::sleep(GATHER).await;
        while batch.len() < QUEUE
            && let Ok(line) = queue.try_recv()
        {
            batch.push(line);
        }
        // stdout and stderr are read side by side; a batch must be in the order of time.
        batch.sort_by_key(|(ts, _)| *ts);
        let mut tries = 0;
        while let Err(error) = logs.put(&group, &stream, &batch).await {
            tries += 1;
            if tries == TRIES {
                return Err(error);
            }
            tokio::time::sleep((GATHER * tries).min(PAUSE)).await;
        }
        batch.clear();
    }
    Ok(())
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
