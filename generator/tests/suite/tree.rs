//! A run that is killed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use ralph_generator::{config, generate};

use crate::support::generator;

/// Kills that hit while files are being written: fewer would prove little.
const HITS: usize = 5;

fn many_environments(cpu: u32, memory: u32) -> String {
    let env = |i: u32| {
        format!(
            "[env.e{i}]\nnetwork.cidr = \"10.{i}.0.0/16\"\nworker.cpu = {cpu}\nworker.memory = {memory}\n"
        )
    };
    (0..60).map(env).collect()
}

fn files(text: &str) -> BTreeMap<String, String> {
    let settings = config::parse("ralph.toml", text).unwrap();
    generate::files(&settings).unwrap().into_iter().collect()
}

fn present(folder: &Path, below: &str, out: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            present(&entry.path(), &format!("{path}/"), out);
        } else {
            out.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

#[test]
fn after_a_kill_every_file_is_whole_and_the_next_run_completes_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("terraform");
    let texts = [many_environments(256, 512), many_environments(512, 1024)];
    let worlds = texts.each_ref().map(|text| files(text));
    let command = || {
        let mut command = generator();
        command.current_dir(folder.path());
        command
    };
    fs::write(folder.path().join("ralph.toml"), &texts[0]).unwrap();
    assert!(command().status().unwrap().success());

    let mut hits = 0;
    let mut wait = Duration::from_millis(1);
    let mut tries = 0;
    while hits < HITS {
        tries += 1;
        assert!(tries < 600, "only {hits} kills hit a run that was writing");
        let (old, new) = (&worlds[hits % 2], &worlds[(hits + 1) % 2]);
        fs::write(folder.path().join("ralph.toml"), &texts[(hits + 1) % 2]).unwrap();
        let mut child = command().spawn().unwrap();
        // Not a wait for an event: the point is to stop the run at any moment of it.
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();

        let mut now = BTreeMap::new();
        present(&out, "", &mut now);
        let mut changed = 0;
        for (path, text) in &now {
            if path.rsplit('/').next().unwrap().starts_with(".ralph-") {
                continue;
            }
            assert!(text == &old[path] || text == &new[path], "{path} is torn");
            changed += usize::from(text == &new[path] && old[path] != new[path]);
        }
        let differing = old.iter().filter(|(path, text)| new[*path] != **text).count();
        if changed == 0 {
            wait += Duration::from_micros(300);
            continue;
        }
        if changed == differing {
            // Too late: it was done. Back to the old world, and earlier.
            fs::write(folder.path().join("ralph.toml"), &texts[hits % 2]).unwrap();
            assert!(command().status().unwrap().success());
            wait = wait.saturating_sub(Duration::from_micros(500)).max(Duration::from_micros(100));
            continue;
        }
        let check = command().arg("--check").output().unwrap();
        assert_eq!(check.status.code(), Some(2));
        let said = String::from_utf8(check.stdout).unwrap();
        for (path, text) in new {
            let stale = said.lines().any(|line| line == format!("stale: terraform/{path}"));
            assert_eq!(stale, now[path] != *text, "{path}");
        }
        assert!(command().status().unwrap().success());
        let mut done = BTreeMap::new();
        present(&out, "", &mut done);
        assert_eq!(&done, new, "nothing is left behind");
        hits += 1;
    }
}
