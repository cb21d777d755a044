//! What tests share: the Terraform program, and folders to work in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use ralph_generator::generate::File;

/// The project's own folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_owned()
}

/// `tofu` or `terraform`, in a folder.
///
/// # Panics
/// When neither is on PATH: these tests have no other judge.
pub fn terraform(folder: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = ["tofu", "terraform"].iter().find_map(|name| {
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
    });
    let program = found.expect(
        "neither tofu nor terraform is on PATH\nhint: install one, https://opentofu.org/docs/intro/install",
    );
    let mut command = Command::new(program);
    command.current_dir(folder).env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
    // A configuration that is named but does not exist is only good for a warning.
    if std::env::var_os("TF_CLI_CONFIG_FILE").is_some_and(|file| !Path::new(&file).exists()) {
        command.env_remove("TF_CLI_CONFIG_FILE");
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
        init_alone(&first);
        first
    });
    std::fs::create_dir_all(folder.join(".terraform")).expect("a folder is made");
    let lock = ".terraform.lock.hcl";
    std::fs::copy(first.join(lock), folder.join(lock)).expect("the lock file is copied");
    let providers = ".terraform/providers";
    std::os::unix::fs::symlink(first.join(providers), folder.join(providers)).expect("a link");
    good(&terraform(folder).args(["get", "-no-color"]).output().expect("terraform runs"));
}

/// `init`, from a provider mirror on this machine if there is one in the usual places.
fn init_alone(folder: &Path) {
    let mut command = terraform(folder);
    command.args(["init", "-input=false", "-no-color", "-backend=false"]);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut places = vec![
        home.join(".terraform.d/plugins"),
        home.join(".local/share/terraform/plugins"),
        PathBuf::from("/usr/local/share/terraform/plugins"),
        PathBuf::from("/usr/share/terraform/plugins"),
    ];
    let opt = std::fs::read_dir("/opt").into_iter().flatten().flatten();
    places.extend(opt.map(|entry| entry.path()));
    let registries = ["registry.terraform.io", "registry.opentofu.org"];
    let holds = |place: &PathBuf| {
        registries.iter().any(|registry| place.join(registry).join("hashicorp/aws").is_dir())
    };
    if let Some(mirror) = places.into_iter().find(holds) {
        command.arg(format!("-plugin-dir={}", mirror.display()));
    }
    good(&command.output().expect("terraform runs"));
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
