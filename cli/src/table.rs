//! Tables for a terminal: left-aligned columns, two spaces between them.

use anyhow::Result;

use crate::tools::output;

/// A table with a header.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
    /// Lines that stand below a row, each with the row's number.
    lines: Vec<(usize, String)>,
}

impl<const N: usize> Table<N> {
    pub fn new(header: [&str; N]) -> Self {
        Self { rows: vec![header.map(str::to_owned)], lines: Vec::new() }
    }

    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// Adds a line below the last row, whatever the widths of the columns.
    pub fn line(&mut self, text: String) {
        self.lines.push((self.rows.len() - 1, text));
    }

    pub fn print(&self) -> Result<()> {
        output::print(self.text())
    }

    pub fn text(&self) -> String {
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..N).map(width).collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
            for (_, line) in self.lines.iter().filter(|(below, _)| *below == number) {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["a", "b", "c"]);
        table.row(["ä ö".into(), String::new(), "x".into()]);
        assert_eq!(table.text(), "a    b  c\nä ö     x\n");
    }
}
