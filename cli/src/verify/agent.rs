//! An agent that costs nothing and needs nothing in the image but a shell: it speaks claude's
//! stream-json, works for three iterations, and meets a usage limit once.

/// Seconds until the limit is over. A worker that would have to wait for more than 5 minutes ends
/// with 76, and the state machine starts it again afterwards.
const LIMIT_SECS: u32 = 330;

/// The agent's command line, one line of text.
///
/// The first call works. The second leaves its mark and says that the service's limit is reached. The
/// worker commits, pushes and ends with 76. The next call, of another attempt, finds the mark and
/// completes the work. An agent cannot interrupt its worker, so that is not tried.
pub fn command() -> String {
    let limit = format!(
        r#"elif [ ! -e SECOND ]; then echo done >SECOND; printf "{{\"type\":\"rate_limit_event\",\"rate_limit_info\":{{\"status\":\"rejected\",\"resetsAt\":%d}}}}\n{{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":429,\"result\":\"the limit is reached\"}}\n" $(($(date +%s)+{LIMIT_SECS})); exit 1"#
    );
    let script = [
        "cat >/dev/null",
        r#"say() { printf "{\"type\":\"assistant\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}}\n" "$1"; }"#,
        r#"printf "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"verify\",\"model\":\"scripted\",\"tools\":[]}\n""#,
        r#"for n in $(seq 150); do say "line $n"; done"#,
        r#"if [ ! -e FIRST ]; then echo done >FIRST"#,
        &limit,
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
    fn it_works_then_meets_a_limit_then_completes() {
        let folder = tempfile::tempdir().unwrap();
        let call = || {
            let output = Command::new("bash")
                .args(["-c", &command()])
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            (output.status.code(), lines.collect::<Vec<serde_json::Value>>())
        };
        let (code, lines) = call();
        assert_eq!((code, lines.len()), (Some(0), 152));
        let (code, lines) = call();
        assert_eq!((code, lines.len()), (Some(1), 153));
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let until = lines[151]["rate_limit_info"]["resetsAt"].as_u64().unwrap();
        assert!(until > now + 300 && lines[152]["api_error_status"] == 429);
        assert_eq!(call().0, Some(0));
        let progress = std::fs::read_to_string(folder.path().join("PROGRESS.md")).unwrap();
        assert!(progress.contains("## Status: COMPLETE"));
    }
}
