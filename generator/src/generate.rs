//! From settings to files in memory.

use crate::config::Settings;
use crate::environment::{self, Root};
use crate::hcl::{Definition, Error, InputSet, Module, OutputSet};
use crate::modules::{Fargate, Secrets, Vpc, Websocket};

/// The first line of every file: what tools and people recognise generated code by.
pub const MARK: &str = "# Code generated from ralph.toml by `just gen`; DO NOT EDIT.";

/// A generated file: path below the output folder, with `/`, and text.
pub type File = (String, String);

fn header(source: &str, about: &str) -> String {
    format!("{MARK}\n# {about} Defined in {source}.\n")
}

/// All files, sorted by path.
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

fn module<D: Definition>() -> Result<Vec<File>, Vec<Error>> {
    let mut module = Module::<D>::new(&format!("modules/{}", D::NAME));
    module.versions();
    let inputs = D::Inputs::declare(&mut module);
    let outputs = D::build(&mut module, inputs);
    outputs.declare(&mut module);
    module.finish(&header(&format!("generator/src/modules/{}.rs", D::NAME), D::ABOUT))
}
