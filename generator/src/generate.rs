//! From settings to files in memory.

use crate::config::{Settings, reference};
use crate::environment::{self, Root};
use crate::hcl::{Definition, Error, InputSet, Module, OutputSet};
use crate::modules::{Fargate, Secrets, Vpc, Websocket};

/// What tools and people recognise generated files by; it stands in their first three lines.
/// (<https://go.dev/s/generatedcode> made the form common.)
pub const MARK_TEXT: &str = "Code generated from ralph.toml by `just gen`; DO NOT EDIT.";

/// A generated file: path below its folder, with `/`, and text.
pub type File = (String, String);

fn header(source: &str, about: &str) -> String {
    format!("# {MARK_TEXT}\n# {about} Defined in {source}.\n")
}

/// All files of the output folder, sorted by path.
///
/// # Errors
/// What is wrong with the modules: a mistake of the generator's, never of the configuration's.
pub fn files(settings: &Settings) -> Result<Vec<File>, Vec<Error>> {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    let mut keep = |result: Result<Vec<File>, Vec<Error>>| match result {
        Ok(more) => files.extend(more),
        Err(more) => errors.extend(more),
    };
    keep(module::<Vpc>());
    keep(module::<Fargate>());
    keep(module::<Websocket>());
    keep(module::<Secrets>());
    for env in &settings.environments {
        let name = env.names.environment();
        let mut root = Module::<Root>::new(&format!("envs/{name}"));
        environment::build(&mut root, env, settings.architecture);
        let about = format!("Environment {name}.");
        keep(root.finish(&header("generator/src/environment.rs", &about)));
    }
    files.sort();
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

/// The files of a module's folder.
///
/// # Errors
/// What is wrong with the module.
pub fn module<D: Definition>() -> Result<Vec<File>, Vec<Error>> {
    let mut module = Module::<D>::new(&format!("modules/{}", D::NAME));
    module.versions();
    let inputs = D::Inputs::declare(&mut module);
    let outputs = D::build(&mut module, inputs);
    outputs.declare(&mut module);
    module.finish(&header(&format!("generator/src/modules/{}.rs", D::NAME), D::ABOUT))
}

/// What describes the configuration: pages below `docs/`.
#[must_use]
pub fn docs() -> Vec<File> {
    vec![
        ("configuration.md".to_owned(), reference::markdown()),
        ("ralph.schema.json".to_owned(), reference::schema()),
    ]
}
