//! OpenTofu or Terraform: which one is used, whether it is new enough for a folder, and where it finds
//! the AWS provider when it cannot fetch it. The generator's tests include this file, so that there is
//! one set of rules; it uses nothing but the standard library.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Names the tool: a program on PATH, or its path.
pub const CHOICE: &str = "RALPH_TERRAFORM";
/// Folders of providers, in place of the usual ones.
const MIRRORS: &str = "RALPH_PROVIDER_MIRRORS";
/// Names the tool's own settings.
const CONFIGURATION: &str = "TF_CLI_CONFIG_FILE";
const PROVIDER: &str = "hashicorp/aws";

/// The tool that every command uses: the one that `RALPH_TERRAFORM` names, else tofu, else terraform.
///
/// # Errors
/// When there is none, with how to get one.
pub fn program() -> Result<PathBuf, String> {
    match env::var_os(CHOICE).filter(|name| !name.is_empty()) {
        Some(name) => on_path(Path::new(&name)).ok_or_else(|| {
            format!(
                "{CHOICE} is `{}`, which is not a program\nhint: name OpenTofu or Terraform as it is called on PATH, or by its path",
                Path::new(&name).display()
            )
        }),
        None => ["tofu", "terraform"].iter().find_map(|name| on_path(Path::new(name))).ok_or_else(|| {
            "tofu or terraform is not on PATH\nhint: install OpenTofu (opentofu.org) or Terraform (developer.hashicorp.com/terraform)".to_owned()
        }),
    }
}

/// A program by its name on PATH, or by its path.
pub fn on_path(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return is_program(name).then(|| std::path::absolute(name).ok()).flatten();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A variable to take away from the tool: settings that are named but do not exist are only good for a
/// warning.
pub fn unwanted() -> Option<&'static str> {
    let named = env::var_os(CONFIGURATION)?;
    (!Path::new(&named).exists()).then_some(CONFIGURATION)
}

/// What a tool is, in its own words. Its file may have any name.
#[derive(Debug)]
pub struct Engine {
    opentofu: bool,
    version: Version,
    platform: String,
}

type Version = [u64; 3];

impl Engine {
    /// Reads what its command `version` printed; `None` if that is neither tool's.
    pub fn read(text: &str) -> Option<Self> {
        let (opentofu, version) = text.lines().find_map(|line| {
            let opentofu = line.strip_prefix("OpenTofu v").map(|version| (true, version));
            opentofu.or_else(|| line.strip_prefix("Terraform v").map(|version| (false, version)))
        })?;
        let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
        let platform = text.lines().find_map(|line| line.strip_prefix("on "))?.trim().to_owned();
        Some(Self { opentofu, version: numbers(&version[..end])?, platform })
    }

    /// Whether it is new enough for a folder, by the folder's own `required_version`.
    ///
    /// # Errors
    /// When it is not, with what is needed; the message begins with the tool's `name`.
    pub fn check(&self, name: &str, folder: &Path) -> Result<(), String> {
        for text in sources(folder) {
            let required = quoted(&text, "terraform {", "required_version").unwrap_or_default();
            if !within(self.version, required) {
                let [major, minor, patch] = self.version;
                return Err(format!(
                    "{name} {major}.{minor}.{patch} is too old: {} requires {required}\nhint: install a newer one, or name one with {CHOICE}",
                    folder.display()
                ));
            }
        }
        Ok(())
    }

    /// What to do once a plain `init` in a folder has failed with these words: `None`: nothing, because
    /// it failed for a reason that no provider mirror helps with; else an argument for a second `init`,
    /// or a hint that says which mirror would help.
    ///
    /// A mirror is never used before a plain `init` has failed: `-plugin-dir` excludes the registry and
    /// everything else that the person has set up.
    pub fn mirror(&self, said: &str, folder: &Path) -> Option<Result<String, String>> {
        // Terraform's words, OpenTofu's, and both's when the package itself is out of reach.
        let fetching = [
            "Failed to query available provider packages",
            "Failed to resolve provider packages",
            "Failed to install provider",
        ];
        // Who sets up where providers come from may forbid every other place.
        if !fetching.iter().any(|words| said.contains(words)) || self.installs_as_set_up() {
            return None;
        }
        let host = if self.opentofu { "registry.opentofu.org" } else { "registry.terraform.io" };
        let name = format!("{host}/{PROVIDER}");
        let range = sources(folder).iter().find_map(|text| {
            quoted(text, &format!("\"{PROVIDER}\""), "version").map(str::to_owned)
        });
        let range = range.unwrap_or_default();
        let lock = fs::read_to_string(folder.join(".terraform.lock.hcl")).unwrap_or_default();
        let locked = quoted(&lock, &format!("provider \"{name}\""), "version").and_then(numbers);
        let fits = |version: &Version| {
            within(*version, &range) && locked.is_none_or(|locked| locked == *version)
        };
        let place =
            places().into_iter().find(|place| self.versions(&place.join(&name)).iter().any(fits));
        Some(match place {
            Some(place) => Ok(format!("-plugin-dir={}", place.display())),
            None => Err(format!(
                "no mirror on this machine has {name} {range} for {} either",
                self.platform
            )),
        })
    }

    /// The versions that a mirror's folder of the provider has for this platform, packed or unpacked.
    fn versions(&self, folder: &Path) -> Vec<Version> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let version = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let packed = name.strip_prefix("terraform-provider-aws_").and_then(|name| {
                name.strip_suffix(".zip")?.strip_suffix(&self.platform)?.strip_suffix('_')
            });
            let unpacked = || entry.path().join(&self.platform).is_dir().then_some(&*name);
            numbers(packed.or_else(unpacked)?)
        };
        entries.filter_map(version).collect()
    }

    /// Whether the tool's settings say by what ways it installs providers.
    fn installs_as_set_up(&self) -> bool {
        let named = env::var_os(CONFIGURATION).filter(|_| unwanted().is_none());
        let files = match named {
            Some(file) => vec![PathBuf::from(file)],
            None => {
                let home = home();
                let own =
                    env::var_os("XDG_CONFIG_HOME").map_or(home.join(".config"), PathBuf::from);
                let tofu = [home.join(".tofurc"), own.join("opentofu/tofurc")];
                let main = tofu.into_iter().filter(|_| self.opentofu);
                let main = main.chain([home.join(".terraformrc")]).find(|file| file.is_file());
                let more = fs::read_dir(home.join(".terraform.d")).into_iter().flatten().flatten();
                let more = more.map(|entry| entry.path()).filter(|file| {
                    let name = file.to_string_lossy();
                    name.ends_with(".tfrc") || name.ends_with(".tfrc.json")
                });
                main.into_iter().chain(more).collect()
            }
        };
        files.iter().any(|file| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let mut lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', '/']));
            lines.any(|line| line.contains("provider_installation"))
        })
    }
}

fn home() -> PathBuf {
    env::var_os("HOME").map(PathBuf::from).unwrap_or_default()
}

/// Where mirrors of providers usually are.
fn places() -> Vec<PathBuf> {
    if let Some(named) = env::var_os(MIRRORS) {
        return env::split_paths(&named).collect();
    }
    let mut places = vec![
        home().join(".terraform.d/plugins"),
        home().join(".local/share/opentofu/plugins"),
        home().join(".local/share/terraform/plugins"),
        PathBuf::from("/usr/local/share/terraform/plugins"),
        PathBuf::from("/usr/share/terraform/plugins"),
    ];
    let opt = fs::read_dir("/opt").into_iter().flatten().flatten();
    let mut opt: Vec<_> = opt.map(|entry| entry.path()).collect();
    // Always the same one of several.
    opt.sort();
    places.extend(opt);
    places
}

/// The HCL of a folder, file by file.
fn sources(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let hcl = files.filter(|file| file.extension().is_some_and(|extension| extension == "tf"));
    hcl.filter_map(|file| fs::read_to_string(file).ok()).collect()
}

/// The text that `key` has behind `marker`, as our generator and the tools write HCL.
fn quoted<'a>(text: &'a str, marker: &str, key: &str) -> Option<&'a str> {
    let (_, behind) = text.split_once(marker)?;
    let (_, behind) = behind.split_once(key)?;
    behind.split('"').nth(1)
}

/// `1.2.3`, and nothing else: no range accepts what comes before a release.
fn numbers(text: &str) -> Option<Version> {
    let numbers: Vec<u64> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

/// Whether a version is in a range such as `>= 1.6.0, < 2.0.0`. Our HCL has no other operators; the
/// tool itself judges what is not one of these.
fn within(version: Version, range: &str) -> bool {
    range.split(',').all(|part| match part.trim().split_once(' ') {
        Some((">=", least)) => numbers(least).is_none_or(|least| version >= least),
        Some(("<", above)) => numbers(above).is_none_or(|above| version < above),
        _ => true,
    })
}
