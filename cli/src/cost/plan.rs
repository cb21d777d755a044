//! What a plan creates that costs something.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ralph_protocol::{
    execution::DEFAULT_MAX_LOG_MB,
    names::{Handler, worker_env},
};
use serde_json::Value;

/// The resources of a plan.
pub struct Planned {
    resources: Vec<Resource>,
    /// Most that a run logs, MB of 10^6 bytes.
    pub max_log_mb: f64,
    /// CPU units and MiB of a task whose order names them.
    pub size: Option<(u32, u32)>,
}

struct Resource {
    kind: String,
    values: Value,
}

impl Planned {
    /// Reads `terraform show -json` of a plan.
    pub fn read(plan: &Value) -> Result<Self> {
        let changes = plan["resource_changes"].as_array().context("the plan names no resources")?;
        let managed = changes.iter().filter(|change| change["mode"] == "managed");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let resources = managed
            .map(|change| Resource {
                kind: text(&change["type"]),
                values: change["change"]["after"].clone(),
            })
            .collect();
        // The task definition has it too, but also ARNs that are not known before an apply.
        let calls = &plan["configuration"]["root_module"]["module_calls"];
        let environment = &calls["fargate"]["expressions"]["environment"]["constant_value"];
        let max_log_mb = environment[worker_env::MAX_LOG_MB].as_str();
        let max_log_mb = max_log_mb.and_then(|text| text.parse().ok());
        Ok(Self {
            resources,
            max_log_mb: max_log_mb.unwrap_or(DEFAULT_MAX_LOG_MB.into()),
            size: None,
        })
    }

    /// How many there are of each type.
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for resource in &self.resources {
            *counts.entry(resource.kind.as_str()).or_insert(0) += 1;
        }
        counts
    }

    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.resources.iter().filter(move |resource| resource.kind == kind)
    }

    fn one(&self, kind: &str) -> Result<&Value> {
        let first = self.resources.iter().find(|resource| resource.kind == kind);
        Ok(&first.with_context(|| format!("the plan has no {kind}"))?.values)
    }

    /// CPU units and MiB of the worker's task.
    pub fn task(&self) -> Result<(f64, f64)> {
        if let Some((cpu, memory)) = self.size {
            return Ok((cpu.into(), memory.into()));
        }
        let task = self.one("aws_ecs_task_definition")?;
        let number = |name: &str| {
            let text = task[name].as_str().and_then(|text| text.parse::<f64>().ok());
            text.with_context(|| format!("the task definition has no {name}"))
        };
        Ok((number("cpu")?, number("memory")?))
    }

    /// GiB of the task's disk; Fargate gives 20 where nothing is said.
    pub fn task_disk(&self) -> Result<f64> {
        let task = self.one("aws_ecs_task_definition")?;
        Ok(task["ephemeral_storage"][0]["size_in_gib"].as_f64().unwrap_or(20.0))
    }

    /// `x86_64` or `arm64`.
    pub fn architecture(&self) -> Result<&'static str> {
        let task = self.one("aws_ecs_task_definition")?;
        let arm = task["runtime_platform"][0]["cpu_architecture"] == "ARM64";
        Ok(if arm { "arm64" } else { "x86_64" })
    }

    /// GB of memory of a function.
    pub fn function_gb(&self, handler: Handler) -> Result<f64> {
        let name = handler.as_str();
        let mut functions = self.of("aws_lambda_function");
        let function = functions.find(|function| function.values["handler"] == name);
        let function = function.with_context(|| format!("the plan has no function `{name}`"))?;
        let mb = function.values["memory_size"].as_f64();
        Ok(mb.context("a function has no memory_size")? / 1024.0)
    }

    /// Days the workers' lines are kept.
    pub fn retention_days(&self) -> Result<f64> {
        let groups = self.of("aws_cloudwatch_log_group");
        let workers = groups.map(|group| &group.values).find(|values| {
            values["name"].as_str().is_some_and(|name| name.ends_with("workstreams"))
        });
        let days = workers.and_then(|values| values["retention_in_days"].as_f64());
        days.context("the plan has no log group of the workers")
    }

    /// Zones with an interface endpoint, summed over the endpoints.
    pub fn interface_endpoint_zones(&self) -> usize {
        let endpoints = self.of("aws_vpc_endpoint").map(|endpoint| &endpoint.values);
        endpoints
            .filter(|values| values["vpc_endpoint_type"] == "Interface")
            // Unknown before the subnets exist.
            .map(|values| values["subnet_ids"].as_array().map_or(self.zones(), Vec::len))
            .sum()
    }

    /// Zones with a subnet of ours; two where the network is a given one.
    pub fn zones(&self) -> usize {
        let zones: std::collections::BTreeSet<&str> =
            self.of("aws_subnet").filter_map(|s| s.values["availability_zone"].as_str()).collect();
        if zones.is_empty() { 2 } else { zones.len() }
    }
}
