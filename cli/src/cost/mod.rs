//! `ralph cost`: what an environment costs while nobody uses it, and an hour of a workstream, from
//! the plan's resources and a price table with its date.

mod hour;
mod plan;
mod prices;

use std::fmt::Write;

use anyhow::{Result, anyhow, bail};
use ralph_protocol::execution::check_size;

use crate::{
    args::{CostArgs, SizeArgs},
    project::Project,
    table::Table,
    tools::output,
};

use plan::Planned;
use prices::Prices;

/// An amount with what it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    what: String,
    usd: f64,
}

impl Item {
    fn new(what: impl Into<String>, usd: f64) -> Self {
        Self { what: what.into(), usd }
    }
}

pub async fn run(options: CostArgs) -> Result<()> {
    let CostArgs { size: SizeArgs { cpu, memory }, .. } = options;
    check_size(cpu, memory).map_err(|problem| {
        let text = problem.to_string().replace("`cpu`", "`--cpu`");
        anyhow!(text.replace("`memory`", "`--memory`"))
    })?;
    let project = Project::find()?;
    let json = crate::plan::offline_json(&project, &options.environment).await?;
    let mut planned = Planned::read(&json)?;
    planned.size = cpu.zip(memory);
    let prices = Prices::read()?;
    let use_ = hour::Use { viewers: options.viewers.into(), log_mb: options.log_mb };
    output::print(text(&options.environment, &planned, &prices, use_)?)
}

fn text(name: &str, planned: &Planned, prices: &Prices, use_: hour::Use) -> Result<String> {
    let mut text = format!(
        "{name}, prices of {} in {}, US dollars, no free tier\n\n",
        prices.date, prices.region
    );
    section(&mut text, "idle, a month", &idle(planned, prices)?, 2);
    let title =
        format!("an hour of a workstream, {} viewers, {} MB of lines", use_.viewers, use_.log_mb);
    section(&mut text, &title, &hour::items(planned, prices, use_)?, 5);
    let title = format!(
        "a run that logs as much as it may, {} MB, {} viewers",
        planned.max_log_mb, use_.viewers
    );
    section(&mut text, &title, &hour::full_log(planned, prices, use_.viewers)?, 5);
    text.push_str("what is off would add\n");
    let mut table = Table::new(["", "a month", "beside that"]);
    for (what, month, beside) in extras(planned, prices)? {
        table.row([format!("  {what}"), format!("{month:.2}"), beside]);
    }
    text.push_str(table.text().trim_start_matches(|c| c != '\n').trim_start_matches('\n'));
    Ok(text)
}

fn section(text: &mut String, title: &str, items: &[Item], digits: usize) {
    let total: f64 = items.iter().map(|item| item.usd).sum();
    let _ = writeln!(text, "{title}: {total:.digits$}");
    let width = items.iter().map(|item| item.what.chars().count()).max().unwrap_or(0);
    for item in items {
        let _ = writeln!(text, "  {:width$}  {:.digits$}", item.what, item.usd);
    }
    text.push('\n');
}

/// What is there costs, used or not.
fn idle(planned: &Planned, prices: &Prices) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for (kind, count) in planned.counts() {
        if let Some(month) = prices.month.get(kind) {
            items.push(Item::new(format!("{count} {kind}"), month * count as f64));
        } else if kind == "aws_vpc_endpoint" {
            let zones = planned.interface_endpoint_zones() as f64;
            if zones > 0.0 {
                let hour = prices.of("interface_endpoint_hour")?;
                let usd = zones * hour * prices.hours_per_month;
                items.push(Item::new(format!("interface endpoints in {zones} zones"), usd));
            }
        } else if !prices.is_free(kind) {
            bail!(
                "there is no price for {kind}\nhint: add one to cli/src/cost/prices.toml, under `month` or `free`"
            );
        }
    }
    let (images, gb) = (prices.assumed("images")?, prices.assumed("image_gb")?);
    let stored = images * gb * prices.of("ecr_gb_month")?;
    items.push(Item::new(format!("{images} worker images of {gb} GB"), stored));
    let table = prices.assumed("table_gb")? * prices.of("table_gb_month")?;
    items.push(Item::new("the table's rows", table));
    Ok(items)
}

/// What is off in dev, with what it would add: a month, and beside that.
fn extras(planned: &Planned, prices: &Prices) -> Result<Vec<(String, f64, String)>> {
    let hours = prices.hours_per_month;
    let zones = planned.zones() as f64;
    let nat = (prices.of("nat_hour")? + prices.of("public_ipv4_hour")?) * hours;
    let nat_gb = format!("{} a GB through it", prices.of("nat_gb")?);
    let endpoints = prices.assumed("interface_endpoints")?;
    let endpoint = prices.of("interface_endpoint_hour")? * hours * zones;
    let flow = prices.assumed("flow_log_mb_per_hour")? / 1024.0 * prices.of("log_gb_in")?;
    let metric = prices.of("metric_month")?;
    let insights = prices.assumed("insights_metrics")? * metric / hours;
    let kms = prices.assumed("kms_requests_per_hour")? / 1e6 * prices.of("kms_request_million")?;
    let email = prices.of("notification_million")? + prices.of("email_million")?;
    let alarm = prices.month.get("aws_cloudwatch_metric_alarm").copied().unwrap_or(0.0);
    let key = prices.month.get("aws_kms_key").copied().unwrap_or(0.0);
    let dashboard = prices.month.get("aws_cloudwatch_dashboard").copied().unwrap_or(0.0);
    Ok(vec![
        ("one NAT gateway with its address".to_owned(), nat, nat_gb.clone()),
        (format!("a NAT gateway in each of {zones} zones"), nat * zones, nat_gb),
        (
            format!("{endpoints} interface endpoints in {zones} zones"),
            endpoint * endpoints,
            format!("{} a GB through them", prices.of("interface_endpoint_gb")?),
        ),
        ("flow logs".to_owned(), 0.0, format!("{flow:.5} an hour of a task")),
        ("container insights".to_owned(), 0.0, format!("{insights:.5} an hour with tasks")),
        ("a customer key".to_owned(), key, format!("{kms:.5} an hour of a task")),
        ("an alarm".to_owned(), alarm, String::new()),
        ("an e-mail for each end".to_owned(), 0.0, format!("{email} a million e-mails")),
        ("the dashboard".to_owned(), dashboard, String::new()),
        ("tracing".to_owned(), 0.0, format!("{} a million traces", prices.of("trace_million")?)),
        (
            "table backups".to_owned(),
            prices.assumed("table_gb")? * prices.of("backup_gb_month")?,
            String::new(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plan(resources: &[(&str, &str, Value)]) -> Planned {
        let changes: Vec<Value> = resources
            .iter()
            .map(|(kind, name, after)| {
                json!({"mode": "managed", "type": kind, "name": name, "change": {"after": after}})
            })
            .collect();
        Planned::read(&json!({ "resource_changes": changes })).unwrap()
    }

    fn total(items: &[Item]) -> f64 {
        items.iter().map(|item| item.usd).sum()
    }

    #[test]
    fn what_is_there_costs_and_what_is_free_does_not() {
        let prices = Prices::read().unwrap();
        let none = total(&idle(&plan(&[]), &prices).unwrap());
        for (resources, usd) in [
            (vec![("aws_vpc", "x", json!({}))], 0.0),
            (vec![("aws_secretsmanager_secret", "x", json!({})); 3], 1.2),
            (vec![("aws_vpc_endpoint", "x", json!({"vpc_endpoint_type": "Gateway"}))], 0.0),
            (
                vec![(
                    "aws_vpc_endpoint",
                    "x",
                    json!({"vpc_endpoint_type": "Interface", "subnet_ids": ["a", "b"]}),
                )],
                14.6,
            ),
            (vec![("aws_nat_gateway", "x", json!({})), ("aws_eip", "x", json!({}))], 36.5),
        ] {
            let cost = total(&idle(&plan(&resources), &prices).unwrap()) - none;
            assert!((cost - usd).abs() < 1e-9, "{resources:?}: {cost}");
        }
    }

    #[test]
    fn the_most_that_a_run_logs_is_the_environments_own_or_the_workers() {
        let group = json!({"name": "/ralph/workstreams", "retention_in_days": 30});
        let prices = Prices::read().unwrap();
        for (environment, mb) in [(json!({}), 200.0), (json!({"RALPH_MAX_LOG_MB": "20"}), 20.0)] {
            let planned = Planned::read(&json!({
                "resource_changes": [{
                    "mode": "managed", "type": "aws_cloudwatch_log_group", "change": {"after": group},
                }],
                "configuration": {"root_module": {"module_calls": {"fargate": {
                    "expressions": {"environment": {"constant_value": environment}},
                }}}},
            }));
            let items = hour::full_log(&planned.unwrap(), &prices, 0.0).unwrap();
            let expected = mb * 1e6 / 1024.0_f64.powi(3) * (0.5 + 0.03);
            assert!((total(&items) - expected).abs() < 1e-9, "{items:?}");
        }
    }

    #[test]
    fn a_task_of_a_named_size_costs_what_this_size_costs() {
        let task = |size| {
            let definition = json!({
                "cpu": "1024", "memory": "2048",
                "runtime_platform": [{"cpu_architecture": "X86_64"}],
                "ephemeral_storage": [{"size_in_gib": 20}],
            });
            let mut planned = plan(&[("aws_ecs_task_definition", "worker", definition)]);
            planned.size = size;
            hour::task(&planned, &Prices::read().unwrap()).unwrap().remove(0)
        };
        let (own, four, large) = (task(None), task(Some((4096, 8192))), task(Some((4096, 16_384))));
        assert_eq!(own.what, "task, 1 vCPU and 2 GB on Spot");
        assert_eq!(large.what, "task, 4 vCPU and 16 GB on Spot");
        assert!((four.usd - 4.0 * own.usd).abs() < 1e-9, "{four:?} {own:?}");
        assert!(large.usd > four.usd, "{large:?}");
    }

    #[test]
    fn a_resource_without_a_price_is_named() {
        let prices = Prices::read().unwrap();
        let error = idle(&plan(&[("aws_gold_bar", "x", json!({}))]), &prices).unwrap_err();
        assert!(error.to_string().contains("aws_gold_bar"), "{error}");
    }
}
