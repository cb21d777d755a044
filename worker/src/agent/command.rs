//! The agent's command line.

use std::path::{Path, PathBuf};

use crate::machine::Order;

/// Placeholder for the path of a file that holds the prompt, for agents that do not read stdin.
const PROMPT_FILE: &str = "{prompt_file}";

fn prompt_file(home: &Path) -> PathBuf {
    home.join("prompt.md")
}

/// Whether the command asks for stream-json, so that a program that writes none has not begun.
#[must_use]
pub fn wants_json(template: &[String]) -> bool {
    let asks =
        |word: &String| matches!(word.as_str(), "stream-json" | "--output-format=stream-json");
    template.iter().any(asks)
}

/// Writes the prompt to a file if the template asks for one.
///
/// # Errors
/// When it cannot be written.
pub fn write_prompt(template: &[String], home: &Path, prompt: &str) -> std::io::Result<()> {
    if !template.iter().any(|word| word.contains(PROMPT_FILE)) {
        return Ok(());
    }
    let path = prompt_file(home);
    // Never through a link that an earlier iteration left.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(path)?;
    std::io::Write::write_all(&mut file, prompt.as_bytes())
}

/// Fills in the placeholders: `{iteration}`, `{budget_usd}`, `{session_id}` (a new one each time)
/// and `{prompt_file}`.
#[must_use]
pub fn fill(template: &[String], order: &Order, home: &Path) -> Vec<String> {
    let session = uuid();
    let prompt = prompt_file(home);
    template
        .iter()
        .map(|word| {
            word.replace("{iteration}", &order.iteration.to_string())
                // All of its digits: an agent refuses to start with a budget of nothing.
                .replace("{budget_usd}", &format!("{:.6}", order.budget.dollars()))
                .replace("{session_id}", &session)
                .replace(PROMPT_FILE, &prompt.to_string_lossy())
        })
        .collect()
}

/// A random UUID (version 4) in text. The randomness of two ULIDs covers its 122 bits.
fn uuid() -> String {
    let random =
        (ulid::Ulid::generate().0 << 64) | (ulid::Ulid::generate().0 & u128::from(u64::MAX));
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Where the agent reaches the model.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    /// Valid for one attempt, and for nothing but the gateway.
    pub dummy_key: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Usd;

    #[test]
    fn placeholders_are_filled_and_words_stay_words() {
        let template =
            ["a b", "{iteration}", "--x={budget_usd}", "{session_id}", "{other}", "@{prompt_file}"];
        let home = Path::new("/home/x");
        let template: Vec<String> = template.iter().map(|w| (*w).to_owned()).collect();
        let order = Order { iteration: 3, note: None, budget: Usd::from_dollars(1.5) };
        let words = fill(&template, &order, home);
        assert_eq!(words[..3], ["a b", "3", "--x=1.500000"]);
        assert_eq!(words[4..], ["{other}", "@/home/x/prompt.md"]);
        let last = Order { budget: Usd::from_micros(1), ..order.clone() };
        assert_eq!(fill(&template, &last, home)[2], "--x=0.000001");
        let parts: Vec<usize> = words[3].split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&words[3][14..15], "4");
        assert_ne!(fill(&template, &order, home)[3], words[3]);
    }
}
