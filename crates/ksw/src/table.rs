//! Aligned text tables.

use std::fmt;

/// Which side of a column its cells stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table that is printed with every column as wide as its widest cell.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns. When every title is empty, no head is printed.
    pub fn new<T: Into<String>>(columns: impl IntoIterator<Item = (T, Align)>) -> Self {
        let columns = columns
            .into_iter()
            .map(|(title, align)| (title.into(), align))
            .collect();
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells beyond the last column are dropped, missing ones are empty.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Title and side of every column.
    pub fn columns(&self) -> &[(String, Align)] {
        &self.columns
    }

    /// The cells of every row, as they were given.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    fn line<'a>(&self, cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, align)) in cells.zip(widths).zip(&self.columns) {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            match align {
                Align::Left => line.extend([cell, &padding]),
                Align::Right => line.extend([padding.as_str(), cell]),
            }
            line.push_str("  ");
        }
        line.trim_end().to_owned()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = || self.columns.iter().map(|(title, _)| title.as_str());
        let body = |row: usize, column: usize| {
            self.rows
                .get(row)
                .and_then(|cells| cells.get(column))
                .map_or("", String::as_str)
        };
        let widths: Vec<usize> = head()
            .enumerate()
            .map(|(column, title)| {
                let cells = (0..self.rows.len()).map(|row| body(row, column).chars().count());
                cells.max().unwrap_or(0).max(title.chars().count())
            })
            .collect();
        if head().any(|title| !title.is_empty()) {
            writeln!(f, "{}", self.line(head(), &widths))?;
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            writeln!(f, "{}", self.line(rules.iter().map(String::as_str), &widths))?;
        }
        for row in 0..self.rows.len() {
            let cells = (0..self.columns.len()).map(|column| body(row, column));
            writeln!(f, "{}", self.line(cells, &widths))?;
        }
        Ok(())
    }
}

/// A count in groups of three: `1 234 567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A duration with three digits that matter: `412 ns`, `41.2 us`, `4.12 ms`, `1.23 s`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn duration(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => three_digits(value / 1e3, "us"),
        1_000_000..1_000_000_000 => three_digits(value / 1e6, "ms"),
        _ => three_digits(value / 1e9, "s"),
    }
}

fn three_digits(value: f64, unit: &str) -> String {
    let decimals = match value {
        _ if value < 9.995 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new([("sink", Align::Left), ("writes", Align::Right)]);
        table.row(["buffered", "7"]);
        table.row(["x", "1 024"]);
        assert_eq!(
            table.to_string(),
            "sink      writes\n--------  ------\nbuffered       7\nx          1 024\n"
        );
    }

    #[test]
    fn no_titles_no_head_and_short_rows_are_padded() {
        let mut table = Table::new([("", Align::Left), ("", Align::Left)]);
        table.row(["a"]);
        table.row(["long", "b"]);
        assert_eq!(table.to_string(), "a\nlong  b\n");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(duration(412), "412 ns");
        assert_eq!(duration(41_230), "41.2 us");
        assert_eq!(duration(9_996), "10.0 us");
        assert_eq!(duration(4_120_000), "4.12 ms");
        assert_eq!(duration(123_400_000_000), "123 s");
    }
}
