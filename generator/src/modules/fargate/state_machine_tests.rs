//! The machine's structure. What it does is tested where it runs, in the local cloud.

use ralph_protocol::execution::{FILE_PATTERN, INSIDE, REPO_PATTERN, check_repo};

use super::*;
use crate::hcl::Expr;

struct Here;

fn facts() -> Facts<Here> {
    Facts {
        partition: "aws".into(),
        table: "table".into(),
        cluster: crate::arn!["cluster"],
        task_definition: crate::arn!["definition"],
        subnet_ids: Vec::new().into(),
        security_group_id: Expr::from_configuration("sg-0"),
        assign_public_ip: true.into(),
        max_duration_secs: 60.into(),
        row_life_secs: 60.into(),
        allow_files: false.into(),
    }
}

#[test]
fn every_state_is_reached_ends_and_catches_and_every_variable_is_assigned() {
    assert_eq!(machine(&facts()).problems(), Vec::<String>::new());
}

/// The patterns in the definition and the function that `ralph run` calls must agree.
#[test]
fn the_machine_accepts_the_repositories_that_the_command_accepts() {
    let pattern = |text: &str| regex::Regex::new(text).unwrap();
    let https = pattern(REPO_PATTERN);
    let file = pattern(FILE_PATTERN);
    let inside = pattern(&format!(r"(?i)^https://[^:/]*\.({})[:/]", INSIDE.join("|")));
    let hosts = [
        "github.com",
        "GitHub.com",
        "a.b.c.example",
        "xn--bcher-kva.example",
        "10.0.0.1",
        "0x7f.1",
        "127.0.0.0x1",
        "2130706433",
        "[::1]",
        "localhost",
        "git.localhost",
        "ec2.internal",
        "x.INTERNAL",
        "internal.example.com",
        "-a.example",
        "a-.example",
        "a..b",
        "a.b.",
        ".a.b",
        "u@github.com",
        "u:p@github.com",
        "github.com:8443",
        "github.com:",
        "github.com:123456",
        "１２７.0.0.1",
        "a_b.example",
        "git.local:443",
        "",
    ];
    let paths =
        ["/a", "/you/project.git", "/~you/a%20b", "", "/", "/a?x", "/a#x", "/a b", "/a\\b", "/a@b"];
    for scheme in ["https://", "http://", "HTTPS://", "file://", "ssh://", ""] {
        for (host, path) in hosts.iter().flat_map(|host| paths.map(|path| (host, path))) {
            let url = format!("{scheme}{host}{path}");
            for files in [false, true] {
                let machine = (https.is_match(&url) || files && file.is_match(&url))
                    && !inside.is_match(&url);
                assert_eq!(machine, check_repo(&url, files).is_ok(), "{url} {files}");
            }
        }
    }
}
