//! Repositories with submodules: what the build finds, and what is left alone.

use serde_json::json;

use crate::harness::{Fixture, git, git_text, progress, write};

/// Makes a repository beside the fixture's remote, with these files and submodules (path, URL).
pub fn repository(fixture: &Fixture, name: &str, file: &str, modules: &[(&str, &str)]) -> String {
    let (dir, bare) = (fixture.dir.path(), format!("{name}.git"));
    git(dir, &["init", "-q", "--bare", "-b", "main", &bare]);
    link(fixture, &bare, file, modules)
}

/// Commits a file and submodules to a repository's branch `main`; returns the commit.
pub fn link(fixture: &Fixture, bare: &str, file: &str, modules: &[(&str, &str)]) -> String {
    let clone = tempfile::tempdir_in(fixture.dir.path()).unwrap();
    let url = format!("file://{}", fixture.path(bare).display());
    git(clone.path(), &["clone", "-q", &url, "."]);
    git(clone.path(), &["checkout", "-q", "-B", "main"]);
    std::fs::write(clone.path().join(file), format!("content of {file}\n")).unwrap();
    for (path, url) in modules {
        let add = ["-c", "protocol.file.allow=always", "submodule", "-q", "add", url, path];
        git(clone.path(), &add);
    }
    git(clone.path(), &["add", "-A"]);
    git(clone.path(), &["commit", "-q", "-m", "submodules"]);
    git(clone.path(), &["push", "-q", "origin", "main"]);
    git_text(clone.path(), &["rev-parse", "HEAD"]).trim().to_owned()
}

/// A remote with a submodule that has one itself.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    repository(&fixture, "inner", "i", &[]);
    repository(&fixture, "lib", "l", &[("in", "../inner.git")]);
    link(&fixture, "remote.git", "t", &[("deps/lib", "../lib.git")]);
    fixture
}

const LOOK: &str = "cat deps/lib/l deps/lib/in/i; git status --porcelain; git submodule status --recursive; \
    git config submodule.deps/lib.url; git -C deps/lib config remote.origin.url";

#[test]
fn public_submodules_are_there_for_the_build_and_others_are_named() {
    let mut fixture = fixture();
    let lib = fixture.path("lib.git");
    let commit = git_text(&lib, &["rev-parse", "main"]);
    let clone = fixture.path("clone");
    git(fixture.dir.path(), &["clone", "-q", "remote.git", "clone"]);
    for (path, url) in [
        ("secure", "git@github.com:you/secure.git"),
        ("program", "ext::sh -c 'touch planted'"),
        ("gone", "../gone.git"),
    ] {
        for (key, value) in [("path", path), ("url", url)] {
            let name = format!("submodule.{path}.{key}");
            git(&clone, &["config", "-f", ".gitmodules", &name, value]);
        }
    }
    for path in ["secure", "program", "gone", "unnamed"] {
        let link = format!("160000,{},{path}", commit.trim());
        git(&clone, &["update-index", "--add", "--cacheinfo", &link]);
    }
    git(&clone, &["add", ".gitmodules"]);
    git(&clone, &["commit", "-q", "-m", "others"]);
    git(&clone, &["push", "-q", "origin", "main"]);

    let look = json!({"run": ["sh", "-c", LOOK]});
    fixture.calls(json!([[look, write("a", "1")], [look, progress(true)]]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    let text = done.text();
    let inner = git_text(&fixture.path("inner.git"), &["rev-parse", "main"]);
    let url = format!("file://{}", lib.display());
    let seen = format!("content of l\ncontent of i\n {} deps/lib", commit.trim());
    assert_eq!(text.matches(&seen).count(), 2, "{text}");
    assert!(text.contains(&format!("\n {} deps/lib/in", inner.trim())), "{text}");
    assert!(text.contains(&format!("\n{url}\n{url}")), "{text}");
    let form = "the repository is not an https URL";
    for (path, why) in [
        ("secure", form),
        ("program", form),
        ("gone", "does not appear to be a git repository"),
        ("unnamed", "`.gitmodules` has no URL for it"),
    ] {
        let line = text.lines().find(|l| l.contains(&format!("submodule `{path}` is not fetched")));
        assert!(line.is_some_and(|line| line.contains(why)), "{path}: {text}");
    }
    assert!(!text.contains("`deps/lib"), "{text}");
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

/// Where the remote has the link to `deps/lib`.
fn linked(fixture: &Fixture, branch: &str) -> String {
    fixture.remote_git(&["ls-tree", branch, "deps/lib"])
}

#[test]
fn work_inside_a_submodule_is_not_pushed_and_runs_nothing() {
    let mut fixture = fixture();
    let planted = fixture.path("planted").display().to_string();
    // A change of the same size: git asks the filter whether it is one.
    let plant = format!(
        "cd deps/lib; git config filter.x.clean 'touch {planted}; cat'; \
         git config core.fsmonitor 'touch {planted}'; d=$(git rev-parse --git-dir); \
         mkdir -p $d/info; echo '* filter=x' > $d/info/attributes; printf 'content of L\\n' > l"
    );
    let commit = "cd deps/lib; git config user.name x; git config user.email x; echo x > x; \
         rm -r $(git rev-parse --git-dir)/info/attributes; git config --unset core.fsmonitor; \
         git add x; git commit -qm x";
    fixture.calls(json!([
        [{"run": ["sh", "-c", plant]}, write("a", "1")],
        [{"run": ["sh", "-c", commit]}, write("b", "2"), progress(true)],
    ]));
    let done = fixture.run();
    assert_eq!(done.exit(), 0, "{done:#?}");
    assert!(!std::path::Path::new(&planted).exists(), "a filter of a submodule was run");
    assert!(
        done.text().contains("`deps/lib` is not pushed: it is a repository of its own"),
        "{}",
        done.text()
    );
    assert_eq!(linked(&fixture, "ralph/docs"), linked(&fixture, "main"));
    assert_eq!(fixture.file("ralph/docs", "a").as_deref(), Some("1"));
}

#[test]
fn submodules_outlive_a_new_git_folder() {
    for (script, kept) in [
        ("echo '[broken' > .git/config", true),
        ("rm -rf .git/modules", false),
        ("rm -rf .git", false),
        ("rm -rf deps", true),
    ] {
        let mut fixture = fixture();
        fixture.calls(json!([
            [{"run": ["sh", "-c", script]}, write("a", "1")],
            [{"run": ["sh", "-c", LOOK]}, write("b", "2"), progress(true)],
        ]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{script}: {done:#?}");
        for (path, text) in [("a", "1"), ("b", "2")] {
            assert_eq!(fixture.file("ralph/docs", path).as_deref(), Some(text), "{script}");
        }
        let there = done.text().contains(" deps/lib (");
        assert!(!kept || there || script == "rm -rf deps", "{script}: {}", done.text());
    }
}

#[test]
fn a_submodule_can_be_removed_and_moved() {
    for (script, now) in [("git rm -qf deps/lib", None), ("git mv deps/lib lib", Some("lib"))] {
        let mut fixture = fixture();
        fixture.calls(json!([
            [{"run": ["sh", "-c", script]}, write("a", "1")],
            [write("b", "2"), progress(true)],
        ]));
        let done = fixture.run();
        assert_eq!(done.exit(), 0, "{script}: {done:#?}");
        assert_eq!(linked(&fixture, "ralph/docs"), "", "{script}: {done:#?}");
        let tree = fixture.tree("ralph/docs");
        let links: Vec<_> = tree.lines().filter(|line| line.starts_with("160000")).collect();
        assert_eq!(links.len(), now.iter().count(), "{script}: {links:?}");
        let said = fixture.file("ralph/docs", ".gitmodules").unwrap_or_default();
        let path = now.map(|path| format!("path = {path}\n"));
        assert!(path.is_none_or(|path| said.contains(&path)), "{script}: {said}");
        assert!(!said.contains("path = deps/lib"), "{script}: {said}");
    }
}
