//! Lines, their indentation and the column of `=`, by the rules of hclwrite's formatter
//! (<https://github.com/hashicorp/hcl/blob/main/hclwrite/format.go>): a line is indented by how
//! many brackets were open before it, and consecutive lines whose text after the first `=` opens
//! as many brackets as it closes align their `=`.

/// A file's lines before indentation.
#[derive(Default)]
pub(in crate::hcl) struct Lines {
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
    /// Lines that follow verbatim: a heredoc's body and end.
    verbatim: String,
}

impl Lines {
    /// Text without brackets, or whose brackets [`Lines::open`] and [`Lines::close`] do not count.
    pub(in crate::hcl) fn push(&mut self, text: &str) {
        match &mut self.current.tail {
            Some((tail, _)) => tail.push_str(text),
            None => self.current.lead.push_str(text),
        }
    }

    /// Text whose brackets are balanced.
    pub(in crate::hcl) fn balanced(&mut self, text: &str) {
        self.push(text);
    }

    pub(in crate::hcl) fn open(&mut self, bracket: &str) {
        self.bracket(bracket, 1);
    }

    pub(in crate::hcl) fn close(&mut self, bracket: &str) {
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
    pub(in crate::hcl) fn assign(&mut self) {
        if self.current.tail.is_none() {
            self.current.tail = Some(("= ".to_owned(), 0));
        } else {
            self.push(" = ");
        }
    }

    /// A comment on a line of its own.
    pub(in crate::hcl) fn comment(&mut self, text: &str) {
        self.push(text);
        self.newline();
    }

    /// A heredoc; `body` ends with a line break.
    pub(in crate::hcl) fn heredoc(&mut self, delimiter: &str, body: &str) {
        self.push(&format!("<<{delimiter}"));
        self.current.verbatim = format!("{body}{delimiter}\n");
    }

    pub(in crate::hcl) fn newline(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
    }

    pub(in crate::hcl) fn blank(&mut self) {
        self.newline();
    }

    /// Columns of the current line so far, indentation left out.
    pub(in crate::hcl) fn width(&self) -> usize {
        let tail = self.current.tail.as_ref().map_or(0, |(tail, _)| tail.chars().count() + 1);
        self.current.lead.chars().count() + tail
    }

    pub(in crate::hcl) fn finish(self) -> String {
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
            out.push_str(&line.verbatim);
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
