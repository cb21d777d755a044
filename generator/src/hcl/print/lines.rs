//! Lines, their indentation and the column of `=`, by the rules of hclwrite's formatter
//! (<https://github.com/hashicorp/hcl/blob/main/hclwrite/format.go>): a line is indented by how
//! many brackets were open before it, and consecutive lines whose text after the first `=` opens
//! as many brackets as it closes align their `=`.

/// A file's lines before indentation.
#[derive(Default)]
pub(super) struct Lines {
    done: Vec<Line>,
    current: Line,
}

#[derive(Default)]
struct Line {
    /// Text before `=`, or the whole line.
    lead: String,
    /// Text from `=` on, with the brackets it opens more than it closes.
    tail: Option<(String, i32)>,
    /// Brackets of the whole line.
    net: i32,
    /// Lines that follow: a heredoc's body and end.
    heredoc: Vec<String>,
    /// Whether they are indented.
    indented: bool,
}

impl Lines {
    /// Text whose brackets are balanced.
    pub(super) fn push(&mut self, text: &str) {
        match &mut self.current.tail {
            Some((tail, _)) => tail.push_str(text),
            None => self.current.lead.push_str(text),
        }
    }

    pub(super) fn open(&mut self, bracket: &str) {
        self.bracket(bracket, 1);
    }

    pub(super) fn close(&mut self, bracket: &str) {
        self.bracket(bracket, -1);
    }

    fn bracket(&mut self, bracket: &str, change: i32) {
        self.push(bracket);
        self.current.net += change;
        if let Some((_, net)) = &mut self.current.tail {
            *net += change;
        }
    }

    /// The `=` after an attribute's name or a key.
    pub(super) fn assign(&mut self) {
        if self.current.tail.is_none() {
            self.current.tail = Some(("= ".to_owned(), 0));
        } else {
            self.push(" = ");
        }
    }

    /// A heredoc; `body` ends with a line break. It is indented like what is around it, unless
    /// Terraform, which takes away what all lines begin with, would take away more.
    pub(super) fn heredoc(&mut self, delimiter: &str, body: &str) {
        let begins = |line: &str| line.starts_with(|c: char| !c.is_whitespace());
        self.current.indented = body.lines().any(begins) && !body.lines().any(str::is_empty);
        self.push(if self.current.indented { "<<-" } else { "<<" });
        self.push(delimiter);
        self.current.heredoc = body.lines().chain([delimiter]).map(str::to_owned).collect();
    }

    pub(super) fn newline(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
    }

    /// Columns of the current line so far, indentation left out.
    pub(super) fn width(&self) -> usize {
        let tail = self.current.tail.as_ref().map_or(0, |(tail, _)| tail.chars().count() + 1);
        self.current.lead.chars().count() + tail
    }

    pub(super) fn finish(self) -> String {
        let indents = indents(&self.done);
        let columns = columns(&self.done, &indents);
        let mut out = String::with_capacity(self.done.len() * 48);
        for ((line, indent), column) in self.done.iter().zip(indents).zip(columns) {
            if line.lead.is_empty() && line.tail.is_none() {
                out.push('\n');
                continue;
            }
            let start = out.len();
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(&line.lead);
            if let Some((tail, _)) = &line.tail {
                let width = out[start..].chars().count();
                out.extend(std::iter::repeat_n(' ', column.max(width + 1) - width));
                out.push_str(tail);
            }
            out.push('\n');
            for (i, text) in line.heredoc.iter().enumerate() {
                let is_end = i + 1 == line.heredoc.len();
                let spaces = if is_end { indent } else { indent + 2 };
                out.extend(std::iter::repeat_n(' ', if line.indented { spaces } else { 0 }));
                out.push_str(text);
                out.push('\n');
            }
        }
        out
    }
}

/// Spaces before each line. Brackets opened on one line count as one level, however many.
fn indents(lines: &[Line]) -> Vec<usize> {
    let mut levels: Vec<i32> = Vec::new();
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        if line.net > 0 {
            out.push(2 * levels.len());
            levels.push(line.net);
            continue;
        }
        let mut closed = -line.net;
        while closed > 0 {
            let Some(top) = levels.last_mut() else { break };
            if closed < *top {
                *top -= closed;
                break;
            }
            closed -= *top;
            levels.pop();
        }
        out.push(2 * levels.len());
    }
    out
}

/// The column of `=` in each line that has one.
fn columns(lines: &[Line], indents: &[usize]) -> Vec<usize> {
    let mut out = vec![0; lines.len()];
    let mut start = 0;
    while start < lines.len() {
        let chain = lines[start..].iter().take_while(|line| aligns(line)).count();
        let widest = (start..start + chain)
            .map(|i| indents[i] + lines[i].lead.chars().count())
            .max()
            .unwrap_or(0);
        out[start..start + chain].fill(widest + 1);
        start += chain.max(1);
    }
    out
}

fn aligns(line: &Line) -> bool {
    line.tail.as_ref().is_some_and(|(_, net)| *net == 0)
}
