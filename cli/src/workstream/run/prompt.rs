//! The prompt that `ralph run` sends with an order.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use anyhow::{Context, Result, bail};
use ralph_protocol::execution::MAX_PROMPT;

use crate::args::RunArgs;

/// More bytes than the longest prompt has: a file without an end is not read whole.
const ENOUGH: u64 = 4 * MAX_PROMPT as u64 + 1;

/// The prompt of `--prompt` or `--prompt-file`; `None` where neither is given.
pub fn read(options: &RunArgs) -> Result<Option<String>> {
    match (&options.prompt, &options.prompt_file) {
        (Some(text), _) => check(text.clone().into_bytes(), "--prompt").map(Some),
        (None, Some(file)) if file == Path::new("-") => {
            from(io::stdin(), "standard input").map(Some)
        }
        (None, Some(file)) => {
            let opened = File::open(file).with_context(|| {
                format!(
                    "cannot read {} (--prompt-file)\nhint: name a file of this machine; --prompt-path names one of the repository",
                    file.display()
                )
            })?;
            from(opened, &file.display().to_string()).map(Some)
        }
        (None, None) => Ok(None),
    }
}

fn from(source: impl Read, whose: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let read = source.take(ENOUGH).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {whose} (--prompt-file)"))?;
    check(bytes, whose)
}

/// The text of a prompt, if a worker can take it.
fn check(bytes: Vec<u8>, whose: &str) -> Result<String> {
    if bytes.len() as u64 >= ENOUGH {
        return too_long(whose);
    }
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("the prompt of {whose} is not UTF-8\nhint: save it as UTF-8");
    };
    if text.chars().count() > MAX_PROMPT {
        return too_long(whose);
    }
    if text.contains('\0') {
        bail!("the prompt of {whose} holds a NUL character\nhint: a prompt is text");
    }
    if text.trim().is_empty() {
        bail!(
            "the prompt of {whose} is empty\nhint: leave the option out to use the repository's PROMPT.md"
        );
    }
    Ok(text)
}

fn too_long(whose: &str) -> Result<String> {
    bail!(
        "the prompt of {whose} is longer than {MAX_PROMPT} characters\nhint: commit it to the repository, and name it with --prompt-path"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_text_that_is_neither_empty_nor_too_long() {
        let long = "é".repeat(MAX_PROMPT);
        for (bytes, expected) in [
            (b"Do it.\n".to_vec(), Ok("Do it.\n")),
            (long.clone().into_bytes(), Ok(&*long)),
            ((long.clone() + "e").into_bytes(), Err("longer than 4096 characters")),
            (vec![b'x'; 1 << 20], Err("longer than 4096 characters")),
            (b"".to_vec(), Err("is empty")),
            (b" \n\t".to_vec(), Err("is empty")),
            (b"a\xff".to_vec(), Err("is not UTF-8")),
            (b"a\0b".to_vec(), Err("holds a NUL character")),
        ] {
            let found = from(&*bytes, "task.md").map_err(|error| error.to_string());
            match (&found, expected) {
                (Ok(text), Ok(expected)) => assert_eq!(text, expected),
                (Err(said), Err(expected)) => {
                    assert!(said.starts_with("the prompt of task.md "), "{said}");
                    assert!(said.contains(expected) && said.contains("\nhint: "), "{said}");
                }
                _ => panic!("{expected:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_source_without_an_end_is_not_read_whole() {
        let error = from(io::repeat(b'x'), "/dev/zero").unwrap_err().to_string();
        assert!(error.contains("longer than 4096 characters"), "{error}");
    }
}
