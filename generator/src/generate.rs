//! From settings to everything that is generated, in memory.

use std::fmt::Write as _;

use ralph_protocol::typescript;

use crate::config::{Settings, reference};
use crate::deploy;
use crate::environment::{self, Root};
use crate::hcl::{Definition, Error, Finished, Header, Module, Published, Skip};
use crate::modules::{Fargate, Secrets, Vpc, Websocket};
use crate::skips;
pub use crate::tree::File;
use crate::tree::mark;

fn header(source: &str, about: &str) -> Header {
    Header::new([mark(source), about.to_owned()])
}

/// The folder of HCL, below the project's.
pub const TERRAFORM: &str = "terraform";

/// All files, by path below the project's folder.
///
/// # Errors
/// As [`files`].
pub fn all(settings: &Settings) -> Result<Vec<File>, Vec<Error>> {
    let (terraform, skipped) = terraform(settings)?;
    let mut all: Vec<File> = vec![
        ("docker/worker.env".to_owned(), worker_env(settings)),
        ("docs/checkov.md".to_owned(), checkov(&skipped)),
        ("docs/configuration.md".to_owned(), reference::markdown()),
        ("docs/deploy-policy.md".to_owned(), deploy_policy(settings)),
        ("docs/ralph.schema.json".to_owned(), reference::schema()),
        ("viewer/client/src/protocol.ts".to_owned(), client_types()),
    ];
    let policies = deploy::files(settings).into_iter();
    all.extend(policies.map(|(name, text)| (format!("docs/policies/{name}"), text)));
    all.extend(terraform.into_iter().map(|(path, text)| (format!("{TERRAFORM}/{path}"), text)));
    Ok(all)
}

/// The files of HCL, by path below their folder.
///
/// # Errors
/// What is wrong with the modules: a mistake of the generator's, never of the configuration's.
pub fn files(settings: &Settings) -> Result<Vec<File>, Vec<Error>> {
    terraform(settings).map(|(files, _)| files)
}

/// Each check that a block skips, with the block's module and address.
type Skipped = Vec<(String, &'static Skip)>;

fn terraform(settings: &Settings) -> Result<(Vec<File>, Skipped), Vec<Error>> {
    let mut terraform = Vec::new();
    let mut skipped = Vec::new();
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
        let header = header("ralph.toml", &format!("Environment {name}."));
        (format!("envs/{name}"), root.finish(&header))
    });
    let folders = folders.map(|(name, result)| (name.to_owned(), result));
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
    Ok((terraform, skipped))
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

/// What docker/build.sh reads; a shell sources it.
fn worker_env(settings: &Settings) -> String {
    format!("# {}\nARCHITECTURE={}\n", mark("ralph.toml"), settings.architecture.lambda())
}

fn deploy_policy(settings: &Settings) -> String {
    Header::new([mark("ralph.toml")]).markdown() + "\n" + &deploy::page(settings)
}

fn client_types() -> String {
    format!("// {}\n\n{}", mark("protocol/"), typescript::declarations())
}

/// The table of skipped checks as a page.
fn checkov(skipped: &[(String, &'static Skip)]) -> String {
    let mut out = Header::new([mark("generator/src/skips.rs")]).markdown();
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
        let _ = writeln!(out, "| {} | {} | {} |", skip.id, skip.reason, at.join("<br>"));
    }
    out
}
