//! How fast the generator is: rows of JSON, one a line, for `just bench`. Build it with `--release`.
//!
//! Each row: `{name, unit, ours, peer, peerName, ratio, goal, met}`; `peer` is null where nothing
//! comparable runs here, `ratio` is peer / ours.

use std::cell::Cell;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use ralph_generator::hcl::prelude::*;
use ralph_generator::run::{Request, run};
use ralph_generator::{generate, resource};
use serde_json::{Value, json};

resource! {
    /// A resource of a usual size.
    Role("aws_iam_role") -> RoleRef {
        required { name: Text, assume_role_policy: Json }
        optional { description: Text, tags: Map<Text> }
        exports { arn: Arn }
    }
}

thread_local! {
    /// How many resources the next build of `Many` has.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Many;

impl Definition for Many {
    const NAME: &'static str = "many";
    const ABOUT: &'static str = "Many resources.";
    type Inputs<M> = ();
    type Outputs<M> = ();

    fn build(m: &mut Module<Self>, (): ()) {
        let mut previous: Option<Expr<Self, Arn>> = None;
        for i in 0..COUNT.get() {
            let trust = Document::new([Statement::trust("lambda.amazonaws.com")]);
            let mut role = Role::new(&format!("role_{i}"))
                .name(format!("role-{i}"))
                .assume_role_policy(trust)
                .tags(map([("Name", format!("role-{i}").into())]));
            if let Some(arn) = &previous {
                role = role.description(text!["after ", arn]);
            }
            previous = Some(m.add(role).arn());
        }
    }
}

/// Milliseconds of building, checking, printing and writing `count` resources, the best of `runs`.
fn many(count: usize, runs: usize, folder: &Path) -> Result<f64, Box<dyn Error>> {
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        COUNT.set(count);
        let start = Instant::now();
        let files = generate::module::<Many>().map_err(|errors| errors[0].to_string())?;
        for (path, text) in &files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().ok_or("no folder")?)?;
            std::fs::write(path, text)?;
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(best)
}

/// Milliseconds of `terraform fmt` or `tofu fmt` on a folder, if either is there.
fn fmt(folder: &Path) -> Option<(f64, &'static str)> {
    ["tofu", "terraform"].into_iter().find_map(|name| {
        let start = Instant::now();
        let mut command = Command::new(name);
        command.args(["fmt", "-check", "-recursive"]).current_dir(folder);
        let output = command.output().ok()?;
        Some((
            start.elapsed().as_secs_f64() * 1e3,
            if output.status.success() { name } else { "fmt, which differs" },
        ))
    })
}

fn row(name: &str, unit: &str, ours: f64, peer: Option<(f64, &str)>, goal: f64) -> Value {
    let round = |x: f64| (x * 100.0).round() / 100.0;
    json!({
        "name": name,
        "unit": unit,
        "ours": round(ours),
        "peer": peer.map(|(value, _)| round(value)),
        "peerName": peer.map(|(_, name)| format!("{name} fmt -check of the result")),
        "ratio": peer.map(|(value, _)| round(value / ours)),
        "goal": goal,
        "met": ours <= goal,
    })
}

/// The whole program in a process of its own, as `generator` runs it: milliseconds, peak MB.
fn whole(project: &Path, out: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    let (mut best, mut peak) = (f64::INFINITY, 0.0_f64);
    for i in 0..10 {
        let out = out.join(i.to_string());
        let start = Instant::now();
        let mut command = Command::new(std::env::current_exe()?);
        let output = command.arg("--generate").arg(&out).current_dir(project).output()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        let said = String::from_utf8(output.stdout)?;
        peak = peak.max(said.lines().last().unwrap_or_default().parse()?);
    }
    Ok((best, peak))
}

/// What a process of [`whole`] does: generate into `out`, print its peak memory in MB at the end.
fn generate_once(out: PathBuf) -> Result<(), Box<dyn Error>> {
    let config = "ralph.toml".into();
    run(&Request { config, out: Some(out), check: false, stdout: false })?;
    // Only Linux reports it; elsewhere there is nothing to print.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    println!("{}", kib.unwrap_or(0.0) / 1024.0);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, out] = &*arguments
        && flag == "--generate"
    {
        return generate_once(out.into());
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let scratch = tempfile::tempdir()?;
    let (ms, mb) = whole(project, scratch.path())?;
    println!(
        "{}",
        row(
            "generator: the project's tree, whole process",
            "ms",
            ms,
            fmt(&scratch.path().join("0")),
            20.0
        )
    );
    println!("{}", row("generator: the project's tree, peak memory", "MB", mb, None, 20.0));

    let folder = scratch.path().join("many");
    let ten_thousand = many(10_000, 5, &folder)?;
    println!(
        "{}",
        row("generator: 10,000 resources, end to end", "ms", ten_thousand, fmt(&folder), 150.0)
    );
    let thousand = many(1_000, 10, &folder)?;
    let hundred_thousand = many(100_000, 2, &folder)?;
    let growth = hundred_thousand / thousand / 100.0;
    println!(
        "{}",
        row("generator: time for each resource, 100,000 against 1,000", "times", growth, None, 1.5)
    );
    Ok(())
}
