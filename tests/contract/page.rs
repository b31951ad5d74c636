//! The page: text, and tables of five columns.

use std::fmt;

/// One rule.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) rule: String,
    pub(crate) model: String,
    pub(crate) wine: String,
    pub(crate) otherwise: String,
}

impl Row {
    /// The cells that say what proves the rule.
    pub(crate) fn cells(&self) -> impl Iterator<Item = &String> {
        [&self.model, &self.wine, &self.otherwise].into_iter()
    }

    fn all(&self) -> [&str; 5] {
        [&self.id, &self.rule, &self.model, &self.wine, &self.otherwise]
    }
}

/// The names in a cell: what stands in backticks and looks like one. Code and constants do not.
pub(crate) fn names(cell: &str) -> impl Iterator<Item = &str> {
    let ticked = cell.split('`').skip(1).step_by(2);
    ticked.filter(|word| {
        let joined = word.contains(['_', '-']);
        joined
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c))
    })
}

enum Part {
    Text(String),
    Table { head: Vec<String>, rows: Vec<Row> },
}

/// `docs/contract.md`.
pub(crate) struct Page(Vec<Part>);

impl Page {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        for line in text.lines() {
            let Some(cells) = cells(line) else {
                parts.push(Part::Text(line.to_owned()));
                continue;
            };
            match parts.last_mut() {
                Some(Part::Table { rows, .. }) => rows.extend(row(cells)),
                _ => parts.push(Part::Table {
                    head: cells,
                    rows: Vec::new(),
                }),
            }
        }
        Self(parts)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.0.iter().flat_map(|part| match part {
            Part::Text(_) => &[],
            Part::Table { rows, .. } => rows.as_slice(),
        })
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        self.0.iter_mut().flat_map(|part| match part {
            Part::Text(_) => &mut [],
            Part::Table { rows, .. } => rows.as_mut_slice(),
        })
    }
}

/// The cells of a line of a table. No cell of the page has a bar in it.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// The rule of a line, unless it is the one below the head.
fn row(cells: Vec<String>) -> Option<Row> {
    let [id, rule, model, wine, otherwise]: [String; 5] = cells
        .try_into()
        .unwrap_or_else(|cells| panic!("a line has other than five cells: {cells:?}"));
    let rule_line = id.chars().all(|c| c == '-');
    (!rule_line).then_some(Row {
        id,
        rule,
        model,
        wine,
        otherwise,
    })
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(line) => writeln!(f, "{line}")?,
                Part::Table { head, rows } => table(f, head, rows)?,
            }
        }
        Ok(())
    }
}

fn table(f: &mut fmt::Formatter<'_>, head: &[String], rows: &[Row]) -> fmt::Result {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.all().get(column).copied());
        let all = cells.chain(head.get(column).map(String::as_str));
        all.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        for (cell, width) in cells.zip(&widths) {
            write!(f, "| {cell:width$} ")?;
        }
        writeln!(f, "|")
    };
    line(&mut head.iter().map(String::as_str))?;
    let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    line(&mut rules.iter().map(String::as_str))?;
    for row in rows {
        line(&mut row.all().into_iter())?;
    }
    Ok(())
}
