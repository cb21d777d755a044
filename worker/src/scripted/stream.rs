//! Writes claude's stream-json, or plain text.

use std::io::{self, Write};

use serde_json::{Value, json};

/// Stdout.
pub struct Stream {
    plain: bool,
    tools: u32,
    turns: u32,
}

impl Stream {
    /// Begins with the `init` line.
    ///
    /// # Errors
    /// When stdout is gone.
    pub fn begin(plain: bool, session: &str) -> io::Result<Self> {
        let stream = Self { plain, tools: 0, turns: 0 };
        if !plain {
            stream.json(&json!({
                "type": "system", "subtype": "init", "session_id": session, "model": "scripted",
                "cwd": std::env::current_dir()?, "tools": ["Bash", "Write"],
                "claude_code_version": env!("CARGO_PKG_VERSION"),
            }))?;
        }
        Ok(stream)
    }

    /// One line, verbatim.
    ///
    /// # Errors
    /// When stdout is gone.
    pub fn line(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// One line of JSON.
    ///
    /// # Errors
    /// When stdout is gone.
    pub fn json(&self, value: &Value) -> io::Result<()> {
        self.line(&value.to_string())
    }

    fn block(&mut self, role: &str, block: &Value) -> io::Result<()> {
        self.turns += u32::from(role == "assistant");
        self.json(&json!({"type": role, "message": {"role": role, "content": [block]}}))
    }

    /// A text.
    ///
    /// # Errors
    /// When stdout is gone.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        if self.plain {
            return self.line(text);
        }
        self.block("assistant", &json!({"type": "text", "text": text}))
    }

    /// A thought.
    ///
    /// # Errors
    /// When stdout is gone.
    pub fn thinking(&mut self, text: &str) -> io::Result<()> {
        if self.plain {
            return Ok(());
        }
        self.block("assistant", &json!({"type": "thinking", "thinking": text}))
    }

    /// A tool call with its result.
    ///
    /// # Errors
    /// When stdout is gone.
    pub fn tool(
        &mut self,
        name: &str,
        input: &Value,
        result: &str,
        is_error: bool,
    ) -> io::Result<()> {
        if self.plain {
            return self.line(&format!("{name}: {result}"));
        }
        self.tools += 1;
        let id = format!("toolu_{:04}", self.tools);
        self.block(
            "assistant",
            &json!({"type": "tool_use", "id": id, "name": name, "input": input}),
        )?;
        let content = json!({"type": "tool_result", "tool_use_id": id, "content": result, "is_error": is_error});
        self.block("user", &content)
    }

    /// The result line; `given` replaces what it names.
    ///
    /// # Errors
    /// When stdout is gone.
    pub fn result(&self, given: &Value) -> io::Result<()> {
        if self.plain {
            return Ok(());
        }
        let mut result = json!({
            "type": "result", "subtype": "success", "is_error": false, "result": "done",
            "num_turns": self.turns, "total_cost_usd": 0.0, "duration_ms": 1,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        });
        if let (Some(result), Some(given)) = (result.as_object_mut(), given.as_object()) {
            result.extend(given.clone());
        }
        self.json(&result)
    }
}
