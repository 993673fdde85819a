//! Columns for people.

/// Rows under a heading, each column as wide as its widest cell.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|cell| cell.to_uppercase()).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn print(&self) {
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let missing = self.width(column).saturating_sub(cell.chars().count());
                format!("{cell}{}", " ".repeat(missing))
            });
            say!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }

    fn width(&self, column: usize) -> usize {
        self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// A value's name as it stands in JSON: `ask-before-connect`.
pub(super) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
