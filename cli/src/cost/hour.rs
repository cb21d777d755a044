//! An hour of a workstream, and the most that a run logs.

use anyhow::Result;
use ralph_protocol::names::Handler;

use super::{Item, plan::Planned, prices::Prices};

/// How much an hour is used.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// People who watch.
    pub viewers: f64,
    /// Megabytes of log lines.
    pub log_mb: f64,
}

/// Most bytes of a frame, and of what is billed as one message.
const FRAME_MB: f64 = 32.0 / 1024.0;
const MILLION: f64 = 1e6;
/// What a replay reads back for a new viewer: the newest thousand lines, a few hundred bytes each.
const PAGE_FRAMES: f64 = 12.0;

/// What it costs, part by part.
pub fn items(planned: &Planned, prices: &Prices, hour: Use) -> Result<Vec<Item>> {
    let pings = hour.viewers * prices.assumed("pings_per_viewer_hour")?;
    let connects = hour.viewers * prices.assumed("connects_per_viewer_hour")?;
    let deliveries = prices.assumed("deliveries_per_hour")?;
    // Each delivery is at least a frame, for each viewer.
    let frames = (hour.log_mb / FRAME_MB).ceil().max(deliveries);
    let mut items = task(planned, prices)?;
    items.extend(logs(planned, prices, hour, deliveries + pings)?);
    items.extend([
        functions(planned, prices, deliveries, pings + connects)?,
        table(prices, deliveries, pings, connects)?,
        gateway(prices, hour, frames, pings, connects)?,
        Item::new(
            "metrics of the functions (once an hour, for all workstreams)",
            prices.assumed("metrics")? * prices.of("metric_month")? / prices.hours_per_month,
        ),
        Item::new(
            "state machine",
            prices.assumed("transitions_per_hour")? * prices.of("state_transition")?,
        ),
        Item::new(
            "reads of secrets",
            prices.assumed("secret_reads_per_hour")? * prices.of("secret_read")?,
        ),
    ]);
    Ok(items)
}

/// What the lines of a run cost that logs as much as it may, while so many people watch.
pub fn full_log(planned: &Planned, prices: &Prices, viewers: f64) -> Result<Vec<Item>> {
    let mb = planned.max_log_mb * 1e6 / (1024.0 * 1024.0);
    let messages = (mb / FRAME_MB).ceil() * viewers;
    Ok(vec![
        lines(planned, prices, mb)?,
        Item::new("messages", messages * prices.of("message_million")? / MILLION),
    ])
}

/// The task and its address.
pub(super) fn task(planned: &Planned, prices: &Prices) -> Result<Vec<Item>> {
    let (cpu, memory) = planned.task()?;
    let architecture = planned.architecture()?;
    let cpus = cpu / 1024.0 * prices.of(&format!("fargate_vcpu_{architecture}"))?;
    let gbs = memory / 1024.0 * prices.of(&format!("fargate_gb_{architecture}"))?;
    let disk = (planned.task_disk()? - 20.0).max(0.0) * prices.of("fargate_storage_gb")?;
    let spot = prices.of("fargate_spot_share")?;
    Ok(vec![
        Item::new(
            format!("task, {} vCPU and {} GB on Spot", cpu / 1024.0, memory / 1024.0),
            (cpus + gbs) * spot + disk,
        ),
        Item::new("its public address", prices.of("public_ipv4_hour")?),
    ])
}

fn logs(planned: &Planned, prices: &Prices, hour: Use, invocations: f64) -> Result<Vec<Item>> {
    let own = invocations * prices.assumed("function_log_kb")? / 1024.0 / 1024.0;
    Ok(vec![
        lines(planned, prices, hour.log_mb)?,
        Item::new("the functions' own lines", own * prices.of("log_gb_in")?),
    ])
}

fn lines(planned: &Planned, prices: &Prices, mb: f64) -> Result<Item> {
    let months = planned.retention_days()? / 30.0;
    let gb = prices.of("log_gb_in")? + prices.of("log_gb_month")? * months;
    Ok(Item::new("its lines, taken in and kept", mb / 1024.0 * gb))
}

fn functions(planned: &Planned, prices: &Prices, pushes: f64, sends: f64) -> Result<Item> {
    let architecture = planned.architecture()?;
    let second = prices.of(&format!("lambda_gb_second_{architecture}"))?;
    let push =
        pushes * prices.assumed("push_ms")? / 1000.0 * planned.function_gb(Handler::PushLogs)?;
    let send =
        sends * prices.assumed("send_ms")? / 1000.0 * planned.function_gb(Handler::SendLogs)?;
    let requests = (pushes + sends) / MILLION * prices.of("lambda_million")?;
    Ok(Item::new("functions", requests + (push + send) * second))
}

fn table(prices: &Prices, deliveries: f64, pings: f64, connects: f64) -> Result<Item> {
    // A delivery looks up its stream and the followers (a consistent read each counts double), and
    // moves the run on. A ping reads the subscriptions and the runs. A connection writes six rows
    // and removes four.
    let reads = deliveries * 3.0 + pings * 3.0 + connects * 4.0;
    let writes = deliveries + connects * 10.0;
    let usd = reads * prices.of("read_million")? + writes * prices.of("write_million")?;
    Ok(Item::new("table", usd / MILLION))
}

fn gateway(prices: &Prices, hour: Use, frames: f64, pings: f64, connects: f64) -> Result<Item> {
    let replies = pings * prices.assumed("frames_per_ping")? + connects * PAGE_FRAMES;
    let messages = frames * hour.viewers + pings + connects + replies;
    let minutes = hour.viewers * 60.0;
    let usd = messages * prices.of("message_million")?
        + minutes * prices.of("connection_minute_million")?;
    Ok(Item::new("WebSocket", usd / MILLION))
}
