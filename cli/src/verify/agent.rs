//! An agent that costs nothing and needs nothing in the image but a shell: it speaks claude's
//! stream-json, works for three iterations, and interrupts its worker once.

/// The agent's command line, one line of text.
///
/// The first call works. The second leaves its mark and sends the worker, its parent, what a Spot
/// interruption sends: SIGTERM. The worker commits, pushes and ends with 75. The next call, of another
/// attempt, finds the mark and completes the work.
pub fn command() -> String {
    let script = [
        "cat >/dev/null",
        r#"say() { printf "{\"type\":\"assistant\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}}\n" "$1"; }"#,
        r#"printf "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"verify\",\"model\":\"scripted\",\"tools\":[]}\n""#,
        r#"for n in $(seq 150); do say "line $n"; done"#,
        r#"if [ ! -e FIRST ]; then echo done >FIRST"#,
        r#"elif [ ! -e SECOND ]; then echo done >SECOND; say "interrupting the worker"; kill -TERM $PPID; exec sleep 60"#,
        r###"else printf "# Progress\n\n## Status: COMPLETE\n" >PROGRESS.md; fi"###,
        r#"printf "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"done\",\"num_turns\":1,\"total_cost_usd\":0,\"usage\":{\"input_tokens\":0,\"output_tokens\":0}}\n""#,
    ];
    format!("bash -c '{}'", script.join("; "))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn its_script_is_one_line_and_valid() {
        let command = command();
        assert!(!command.contains('\n') && command.matches('\'').count() == 2);
        let script = &command["bash -c '".len()..command.len() - 1];
        let status = Command::new("bash").args(["-n", "-c", script]).status().unwrap();
        assert!(status.success());
    }

    #[test]
    fn it_works_then_interrupts_its_parent_then_completes() {
        let folder = tempfile::tempdir().unwrap();
        let call = || {
            // A shell stands in for the worker: it says when it is asked to end.
            let wrapper =
                format!("trap 'echo interrupted; kill %1; exit 75' TERM; {} & wait", command());
            Command::new("bash")
                .args(["-c", &wrapper])
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .output()
                .unwrap()
        };
        let output = call();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        assert_eq!(text.lines().count(), 152);
        assert_eq!(call().status.code(), Some(75));
        assert!(call().status.success());
        let progress = std::fs::read_to_string(folder.path().join("PROGRESS.md")).unwrap();
        assert!(progress.contains("## Status: COMPLETE"));
    }
}
