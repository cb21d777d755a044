//! A run that is killed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};

use crate::support::{SETTINGS, generator, tree, write};

/// What `ulimit -f` counts in.
const BLOCK: usize = 512;
/// The signal that ends a process whose file outgrows its limit.
const SIGXFSZ: i32 = 25;

fn present(folder: &Path, below: &str, out: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            present(&entry.path(), &format!("{path}/"), out);
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            out.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// Runs the generator until the kernel ends it: in the first file of more than so many blocks, when
/// the blocks are full.
fn killed_in_a_file_of_more_than(blocks: usize, folder: &Path) -> ExitStatus {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -c 0; ulimit -f "$1"; exec "$0" --out terraform"#]);
    shell.arg(generator().get_program()).arg(blocks.to_string());
    shell.current_dir(folder).status().unwrap()
}

#[test]
fn after_a_kill_every_file_is_whole_and_the_next_run_completes_it() {
    let new: BTreeMap<String, String> = tree().into_iter().collect();
    let old = |text: &str| {
        let mark: Vec<&str> = text.lines().take(2).collect();
        format!("{}\n# as it was before\n", mark.join("\n"))
    };
    let long = new.iter().filter(|(_, text)| text.len() > 2 * BLOCK);
    let chosen: Vec<_> = long.step_by(4).collect();
    assert!(chosen.len() > 5, "{} files are too few", chosen.len());
    for (number, (victim, text)) in chosen.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ralph.toml"), SETTINGS).unwrap();
        let out = folder.path().join("terraform");
        // Every other file that would outgrow the limit is right already, so the run is stopped
        // in the chosen one. The rest is old, or in every other round not there at all.
        let blocks = text.len() / BLOCK / 2;
        let fits = |path: &String, text: &String| path == victim || text.len() <= blocks * BLOCK;
        let mut before = new.clone();
        before.retain(|path, text| !fits(path, text) || number % 2 == 0 || path == victim);
        for (path, text) in &mut before {
            if fits(path, text) {
                *text = old(text);
            }
        }
        write(&out, &before.clone().into_iter().collect::<Vec<_>>());

        let status = killed_in_a_file_of_more_than(blocks, folder.path());
        assert_eq!(status.signal(), Some(SIGXFSZ), "in {victim}: {status}");

        let mut now = BTreeMap::new();
        present(&out, "", &mut now);
        let (torn, whole): (BTreeMap<_, _>, BTreeMap<_, _>) =
            now.into_iter().partition(|(path, _)| path.contains("/.ralph-"));
        let torn: Vec<_> = torn.into_values().collect();
        let half = String::from_utf8_lossy(&text.as_bytes()[..blocks * BLOCK]);
        assert_eq!(torn, [half], "in {victim}");
        for (path, text) in &whole {
            let known = [before.get(path), Some(&new[path])];
            assert!(known.contains(&Some(text)), "{path} is torn by a kill in {victim}");
        }
        assert_eq!(whole[victim], before[victim], "{victim} is replaced only when it is complete");

        let run = |arguments: &[&str]| {
            let mut generator = generator();
            generator.current_dir(folder.path()).args(["--out", "terraform"]).args(arguments);
            generator.output().unwrap()
        };
        let check = run(&["--check"]);
        assert_eq!(check.status.code(), Some(2));
        let said = String::from_utf8(check.stdout).unwrap();
        for (path, text) in &new {
            let line = match whole.get(path) {
                None => Some(format!("missing: terraform/{path}")),
                Some(now) if now != text => Some(format!("stale: terraform/{path}")),
                Some(_) => None,
            };
            let about: Vec<&str> = said
                .lines()
                .filter(|said| said.ends_with(&format!(": terraform/{path}")))
                .collect();
            assert_eq!(about, line.iter().map(String::as_str).collect::<Vec<_>>(), "{path}");
        }
        assert!(run(&[]).status.success());
        let mut done = BTreeMap::new();
        present(&out, "", &mut done);
        assert_eq!(done, new, "nothing is left behind");
    }
}
