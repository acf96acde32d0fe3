//! Plain text in aligned columns.

use std::fmt;

/// Rows of cells, the first a heading unless it is empty.
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
    /// A line for each row; columns are two spaces apart and no line ends in spaces. The last cell of a
    /// row that is shorter than others may be longer than its column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let ends_early = |row: &Vec<String>, column| row.len() < columns && row.len() == column + 1;
        let width = |column: usize| {
            let rows = self.rows.iter().filter(|row| !ends_early(row, column));
            let cells = rows.filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
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
        table.row(&["out of columns"]);
        table.row(&["a", "b"]);
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2..], ["out of columns", "a      b"]);
    }
}
