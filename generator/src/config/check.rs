//! From the first level to the second: defaults, and the rules across fields.

use std::ops::Range;

use ralph_protocol::names::Resources;

use super::keys::{Default, ENVIRONMENT, FILE, Key, Section};
use super::problem::Problem;
use super::raw::{File, Table, Value};
use super::valid::{Architecture, Environment, Limits, Monitoring, Settings, Websocket, Worker};
use super::{names, rules};

/// Reads what is there and reports what breaks a rule. The settings are only good if no problem
/// was added.
pub(super) fn settings(file: &File, problems: &mut Vec<Problem>) -> Settings {
    let own = Reader { table: &file.own, section: &FILE };
    let architecture = match own.text("architecture").as_deref() {
        Some("arm64") => Architecture::Arm64,
        _ => Architecture::X86_64,
    };
    if file.environments.is_empty() && problems.is_empty() {
        let problem = Problem::new("no environment is described");
        problems.push(problem.at(0..0, "").hint("add a table, such as [env.dev]"));
    }
    let mut environments = Vec::new();
    for (name, table) in &file.environments {
        environments.push(environment(name, table, problems));
    }
    rules::across(file, &environments, problems);
    Settings { architecture, environments }
}

/// Typed access to a table, with defaults.
pub(super) struct Reader<'a> {
    pub(super) table: &'a Table,
    pub(super) section: &'static Section,
}

impl Reader<'_> {
    fn key(&self, path: &str) -> &'static Key {
        let (inner, name) = path.split_once('.').unwrap_or(("", path));
        let keys = match self.section.sections.iter().find(|section| section.name == inner) {
            Some(section) => section.keys,
            None => self.section.keys,
        };
        keys.iter().find(|key| key.name == name).expect("every key that is read is in the table")
    }

    fn value(&self, path: &str) -> Option<&Value> {
        self.table.values.get(path).map(|(value, _)| value)
    }

    pub(super) fn span(&self, path: &str) -> Option<Range<usize>> {
        self.table.values.get(path).map(|(_, span)| span.clone())
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        match (self.value(path), self.key(path).default) {
            (Some(Value::Text(text)), _) => Some(text.clone()),
            (_, Default::Text(text)) => Some(text.to_owned()),
            _ => None,
        }
    }

    pub(super) fn texts(&self, path: &str) -> Vec<String> {
        match (self.value(path), self.key(path).default) {
            (Some(Value::Texts(texts)), _) => texts.iter().map(|(text, _)| text.clone()).collect(),
            (_, Default::Texts(texts)) => texts.iter().map(|text| (*text).to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    fn integer(&self, path: &str) -> u32 {
        let number = match (self.value(path), self.key(path).default) {
            (Some(Value::Integer(number)), _) => *number,
            (_, Default::Integer(number)) => number,
            _ => 0,
        };
        u32::try_from(number).unwrap_or(0)
    }

    fn number(&self, path: &str) -> f64 {
        match (self.value(path), self.key(path).default) {
            (Some(Value::Number(number)), _) => *number,
            (_, Default::Number(number)) => number,
            _ => 0.0,
        }
    }

    pub(super) fn bool(&self, path: &str) -> bool {
        match (self.value(path), self.key(path).default) {
            (Some(Value::Bool(value)), _) => *value,
            (_, Default::Bool(value)) => value,
            _ => false,
        }
    }

    /// Whether a rule may look at a key: its value is there or a default, not a mistake.
    pub(super) fn sound(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| !self.table.broken.iter().any(|broken| broken == path))
    }
}

fn environment(name: &str, table: &Table, problems: &mut Vec<Problem>) -> Environment {
    let read = Reader { table, section: &ENVIRONMENT };
    let resources = Resources::new(name);
    name_rules(name, &resources, table, problems);
    let limits = limits(&read, problems);
    size_rule(&read, problems);
    let tag = read.text("worker.image_tag").unwrap_or_default();
    if let ("latest", Some(span)) = (tag.as_str(), read.span("worker.image_tag")) {
        let problem = Problem::new("`latest` could be pushed once only");
        problems
            .push(problem.at(span, "tags here cannot be moved").hint("a version, such as 0.1.0"));
    }
    let region = read.text("region").unwrap_or_default();
    Environment {
        state: rules::state(name, &read, &region),
        network: rules::network(name, &read, &region, problems),
        names: resources,
        region,
        account_id: read.text("account_id"),
        production: read.bool("production"),
        tags: tags(name, &read, problems),
        log_retention_days: read.integer("log_retention_days"),
        secret_recovery_days: read.integer("secret_recovery_days"),
        permissions_boundary_arn: read.text("permissions_boundary_arn"),
        role_path: read.text("role_path").unwrap_or_default(),
        kms_key_arn: read.text("kms_key_arn"),
        monitoring: Monitoring {
            access_logs: read.bool("monitoring.access_logs"),
            account_log_role: read.bool("monitoring.account_log_role"),
            alarm_topic_arn: read.text("monitoring.alarm_topic_arn"),
            alarms: read.bool("monitoring.alarms"),
            container_insights: read.bool("monitoring.container_insights"),
            dashboard: read.bool("monitoring.dashboard"),
            detailed_metrics: read.bool("monitoring.detailed_metrics"),
            traced_functions: read.texts("monitoring.traced_functions"),
        },
        worker: Worker {
            cpu: read.integer("worker.cpu"),
            memory: read.integer("worker.memory"),
            storage_gib: read.integer("worker.storage_gib"),
            image_tag: tag,
            image_digest: read.text("worker.image_digest"),
            keep_images: read.bool("worker.keep_images"),
            images_kept: read.integer("worker.images_kept"),
            untagged_image_days: read.integer("worker.untagged_image_days"),
            agent_command: read.text("worker.agent_command"),
            verify_command: read.text("worker.verify_command"),
            limits,
        },
        websocket: Websocket {
            burst: read.integer("websocket.burst"),
            rate: read.integer("websocket.rate"),
            push_logs_concurrency: read
                .span("websocket.push_logs_concurrency")
                .map(|_| read.integer("websocket.push_logs_concurrency")),
            table_backups: read.bool("websocket.table_backups"),
            table_deletion_protection: read.bool("websocket.table_deletion_protection"),
        },
    }
}

fn name_rules(name: &str, resources: &Resources, table: &Table, problems: &mut Vec<Problem>) {
    if let Err(form) = names::environment(name) {
        let problem = Problem::new(format!("`{name}` cannot name an environment"));
        problems.push(problem.at(table.span.clone(), "this name").hint(form));
        return;
    }
    let too_long = names::limited(resources).into_iter().find(|(_, name, most)| name.len() > *most);
    if let Some((what, full, most)) = too_long {
        let spare = most.saturating_sub(full.len() - name.len());
        let problem = Problem::new(format!("the name of {what} would be too long: `{full}`"));
        problems.push(
            problem
                .at(table.span.clone(), format!("{} characters", name.len()))
                .hint(format!("AWS allows {most} characters, which leaves {spare} for this name")),
        );
    }
}

fn tags(name: &str, read: &Reader<'_>, problems: &mut Vec<Problem>) -> Vec<(String, String)> {
    let mut all = vec![("Environment".to_owned(), name.to_owned())];
    if let Some(Value::TextMap(tags)) = read.value("tags") {
        for (key, value, span) in tags {
            let wrong = match key.to_ascii_lowercase() {
                lower if lower == "environment" => Some("every resource has this tag already"),
                lower if lower.starts_with("aws:") => Some("AWS keeps this prefix to itself"),
                _ if key.is_empty() || key.chars().count() > 128 => {
                    Some("a tag's name has 1 to 128 characters")
                }
                _ if value.chars().count() > 256 => {
                    Some("a tag's value has at most 256 characters")
                }
                _ if !key.chars().chain(value.chars()).all(tag_character) => {
                    Some("a tag holds letters, digits, spaces and _ . : / = + - @ only")
                }
                _ => None,
            };
            if let Some(why) = wrong {
                problems
                    .push(Problem::new(format!("`{key}` cannot be a tag")).at(span.clone(), why));
            }
            all.push((key.clone(), value.clone()));
        }
        if let (51.., Some(span)) = (all.len(), read.span("tags")) {
            problems.push(Problem::new("too many tags").at(span, "AWS allows 50 on a resource"));
        }
    }
    all
}

/// <https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html>
fn tag_character(c: char) -> bool {
    c.is_alphanumeric() || " _.:/=+-@".contains(c)
}

/// Memory sizes in MiB that Fargate offers with a number of CPU units: first, last, step.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>
fn memory_sizes(cpu: u32) -> Vec<u32> {
    let (first, last, step) = match cpu {
        256 => return vec![512, 1024, 2048],
        512 => (1024, 4096, 1024),
        1024 => (2048, 8192, 1024),
        2048 => (4096, 16_384, 1024),
        4096 => (8192, 30_720, 1024),
        8192 => (16_384, 61_440, 4096),
        _ => (32_768, 122_880, 8192),
    };
    (first..=last).step_by(step).collect()
}

fn size_rule(read: &Reader<'_>, problems: &mut Vec<Problem>) {
    if !read.sound(&["worker.cpu", "worker.memory"]) {
        return;
    }
    let (cpu, memory) = (read.integer("worker.cpu"), read.integer("worker.memory"));
    let sizes = memory_sizes(cpu);
    if !sizes.contains(&memory) {
        let list: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        let problem =
            Problem::new(format!("Fargate has no task with {cpu} CPU units and {memory} MiB"));
        problems.push(
            problem
                .at_given(read.span("worker.memory"), "this memory")
                .at_given(read.span("worker.cpu"), "with this cpu")
                .hint(format!("with cpu = {cpu}, memory is one of {}", list.join(", "))),
        );
    }
}

fn limits(read: &Reader<'_>, problems: &mut Vec<Problem>) -> Limits {
    for (short, long) in [
        ("worker.iteration_timeout_secs", "worker.max_duration_secs"),
        ("worker.silence_secs", "worker.iteration_timeout_secs"),
    ] {
        let (low, high) = (read.integer(short), read.integer(long));
        if read.sound(&[short, long]) && low > high {
            let bare = |path: &str| path.trim_start_matches("worker.").to_owned();
            let problem = Problem::new(format!("{} is longer than {}", bare(short), bare(long)));
            problems.push(
                problem
                    .at_given(read.span(short), format!("{low} seconds"))
                    .at_given(read.span(long), format!("{high} seconds"))
                    .hint(format!(
                        "the defaults are {} and {}",
                        default(read, short),
                        default(read, long)
                    )),
            );
        }
    }
    Limits {
        max_iterations: read.integer("worker.max_iterations"),
        max_duration_secs: read.integer("worker.max_duration_secs"),
        max_cost_usd: read.number("worker.max_cost_usd"),
        iteration_timeout_secs: read.integer("worker.iteration_timeout_secs"),
        silence_secs: read.integer("worker.silence_secs"),
        max_stalls: read.integer("worker.max_stalls"),
    }
}

fn default(read: &Reader<'_>, path: &str) -> String {
    match read.key(path).default {
        Default::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}
