//! Plain text in aligned columns.

use std::fmt;

/// Rows of the same number of cells, the first a heading unless it is empty.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with a row of headings; none for no headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut table = Self { rows: Vec::new() };
        if !headings.is_empty() {
            table.row(headings);
        }
        table
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: &[impl AsRef<str>]) {
        self.rows
            .push(cells.iter().map(|cell| cell.as_ref().to_owned()).collect());
    }
}

impl fmt::Display for Table {
    /// A line for each row; columns are two spaces apart and no line ends in spaces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell: &String| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:width$}  "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["a", "long heading"]);
        table.row(&["wider", "x"]);
        assert_eq!(table.to_string(), "a      long heading\nwider  x\n");
        assert_eq!(Table::new(&[]).to_string(), "");
    }
}
