//! From settings to files in memory.

use std::fmt::Write as _;

use crate::config::{Settings, reference};
use crate::deploy;
use crate::environment::{self, Root};
use crate::hcl::{Definition, Error, Finished, Header, Module, Published, Skip};
use crate::modules::{Fargate, Secrets, Vpc, Websocket};
use crate::skips;

/// What tools and people recognise generated files by; it stands in their first three lines.
/// (<https://go.dev/s/generatedcode> made the form common.)
pub const MARK_TEXT: &str = "Code generated from ralph.toml by `just gen`; DO NOT EDIT.";

/// A generated file: path below its folder, with `/`, and text.
pub type File = (String, String);

/// Everything that is generated, each list sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Below the output folder.
    pub terraform: Vec<File>,
    /// Below `docs/`.
    pub docs: Vec<File>,
}

fn header(source: &str, about: &str) -> Header {
    Header::new([MARK_TEXT.to_owned(), format!("{about} Defined in {source}.")])
}

/// All files.
///
/// # Errors
/// What is wrong with the modules: a mistake of the generator's, never of the configuration's.
pub fn all(settings: &Settings) -> Result<Generated, Vec<Error>> {
    let mut terraform = Vec::new();
    let mut skipped: Vec<(String, &'static Skip)> = Vec::new();
    let mut errors = Vec::new();
    let folders = [
        (Vpc::NAME, published::<Vpc>()),
        (Fargate::NAME, published::<Fargate>()),
        (Websocket::NAME, published::<Websocket>()),
        (Secrets::NAME, published::<Secrets>()),
    ];
    let roots = settings.environments.iter().map(|env| {
        let name = env.names.environment();
        let mut root = Module::<Root>::new(&format!("envs/{name}"));
        environment::build(&mut root, env, settings.architecture);
        let about = format!("Environment {name}.");
        ("", root.finish(&header("generator/src/environment.rs", &about)))
    });
    for (name, result) in folders.into_iter().chain(roots) {
        match result {
            Ok(finished) => {
                terraform.extend(finished.files);
                let at = |(block, skip)| (format!("{name}: {block}"), skip);
                skipped.extend(finished.skips.into_iter().map(at));
            }
            Err(more) => errors.extend(more),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    terraform.sort();
    let docs = vec![
        ("checkov.md".to_owned(), checkov(&skipped)),
        ("configuration.md".to_owned(), reference::markdown()),
        ("deploy-policy.md".to_owned(), deploy::page(settings)),
        ("ralph.schema.json".to_owned(), reference::schema()),
    ];
    Ok(Generated { terraform, docs })
}

/// All files of the output folder, sorted by path.
///
/// # Errors
/// As [`all`].
pub fn files(settings: &Settings) -> Result<Vec<File>, Vec<Error>> {
    all(settings).map(|generated| generated.terraform)
}

/// The HCL of a module's folder.
///
/// # Errors
/// What is wrong with the module.
pub fn module<D: Definition>() -> Result<Vec<File>, Vec<Error>> {
    Module::<D>::built().finish(&module_header::<D>()).map(|finished| finished.files)
}

/// A module's folder with its README and its tests.
///
/// # Errors
/// What is wrong with the module.
pub fn folder<D: Published>() -> Result<Vec<File>, Vec<Error>> {
    published::<D>().map(|finished| finished.files)
}

fn published<D: Published>() -> Result<Finished, Vec<Error>> {
    Module::<D>::built().published(&module_header::<D>())
}

fn module_header<D: Definition>() -> Header {
    header(&format!("generator/src/modules/{}.rs", D::NAME), D::ABOUT)
}

/// The table of skipped checks as a page.
fn checkov(skipped: &[(String, &'static Skip)]) -> String {
    let mut out = Header::new([MARK_TEXT.to_owned()]).markdown();
    out.push_str(
        "\n# Checks that are skipped\n\n\
         The checks that `checkov -d terraform` skips. Each has a comment inside the block that it concerns;\n\
         all come from one table, `generator/src/skips.rs`.\n\n\
         | Check | Why it is skipped | Where |\n|---|---|---|\n",
    );
    let mut table: Vec<&Skip> = skips::TABLE.to_vec();
    table.sort();
    for skip in table {
        let at = skipped.iter().filter(|(_, own)| *own == skip);
        let at: Vec<String> = at.map(|(block, _)| format!("`{block}`")).collect();
        let _ = writeln!(out, "| {} | {} | {} |", skip.id(), skip.reason(), at.join("<br>"));
    }
    out
}
