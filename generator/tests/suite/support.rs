//! What tests share: the Terraform program, and folders to work in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use ralph_generator::generate::File;

/// The project's own folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// The rules of `ralph`: which tool is used, and when it uses a mirror of providers.
#[path = "../../../cli/src/tools/engine.rs"]
mod engine;

/// `tofu` or `terraform`, in a folder.
///
/// # Panics
/// When neither is on PATH: these tests have no other judge.
pub fn terraform(folder: &Path) -> Command {
    let mut command = Command::new(engine::program().unwrap_or_else(|error| panic!("{error}")));
    command.current_dir(folder).env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
    if let Some(name) = engine::unwanted() {
        command.env_remove(name);
    }
    for name in ["AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command
}

/// `init`. The provider is looked for once; every other folder shares what was found.
pub fn init(folder: &Path) {
    static FIRST: OnceLock<PathBuf> = OnceLock::new();
    let first = FIRST.get_or_init(|| {
        let first = Path::new(env!("CARGO_TARGET_TMPDIR")).join("provider");
        let _ = std::fs::remove_dir_all(&first);
        let versions = tree().into_iter().filter(|(path, _)| path == "modules/vpc/versions.tf");
        write(&first, &versions.collect::<Vec<_>>());
        let first = first.join("modules/vpc");
        init_with(&first, || {
            let mut command = terraform(&first);
            command.args(["init", "-input=false", "-no-color", "-backend=false"]);
            command
        });
        first
    });
    std::fs::create_dir_all(folder.join(".terraform")).expect("a folder is made");
    let lock = ".terraform.lock.hcl";
    std::fs::copy(first.join(lock), folder.join(lock)).expect("the lock file is copied");
    let providers = ".terraform/providers";
    std::os::unix::fs::symlink(first.join(providers), folder.join(providers)).expect("a link");
    good(&terraform(folder).args(["get", "-no-color"]).output().expect("terraform runs"));
}

/// `init` of a root module with a backend of its own, which `command` sets up.
pub fn init_with(folder: &Path, command: impl Fn() -> Command) {
    let plain = command().output().expect("terraform runs");
    if plain.status.success() {
        return;
    }
    let version = good(&terraform(folder).arg("version").output().expect("terraform runs"));
    let engine = engine::Engine::read(&version).expect("OpenTofu or Terraform");
    engine.check("the tool", folder).unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&plain.stderr);
    match engine.mirror(&said, folder) {
        Some(Ok(mirror)) => good(&command().arg(mirror).output().expect("terraform runs")),
        other => panic!("{}{said}\n{other:?}", String::from_utf8_lossy(&plain.stdout)),
    };
}

/// A module's folder, ready for `terraform test`, with the text of its tests as `edit` leaves it.
pub fn module_folder(folder: &Path, name: &str, edit: impl FnOnce(&mut String)) -> PathBuf {
    let own = format!("modules/{name}/");
    let mut files = tree();
    files.retain(|(path, _)| path.starts_with(&own));
    let tests = files.iter_mut().find(|(path, _)| path.ends_with(".tftest.hcl"));
    edit(&mut tests.expect("a test file").1);
    write(folder, &files);
    let folder = folder.join(own);
    init(&folder);
    folder
}

/// Standard output of a command that must succeed.
pub fn good(output: &Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Writes files below a folder.
pub fn write(folder: &Path, files: &[File]) {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder is made");
        std::fs::write(path, text).expect("a file is written");
    }
}

/// The built program.
pub fn generator() -> Command {
    Command::new(env!("CARGO_BIN_EXE_generator"))
}

/// The settings that tests use. Only what is about the committed files reads the project's own.
pub const SETTINGS: &str = include_str!("../fixtures/ralph.toml");

/// The files of [`SETTINGS`] as they should be.
pub fn tree() -> Vec<File> {
    let settings = ralph_generator::config::parse("ralph.toml", SETTINGS).expect("good");
    ralph_generator::generate::files(&settings).expect("good")
}

/// A provider block that plans without an account.
pub const OFFLINE: &str = r#"provider "aws" {
  access_key                  = "offline"
  secret_key                  = "offline"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}
"#;
