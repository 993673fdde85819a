//! Reads fields out of TOML tables and remembers, for each one that is wrong, its line and what to do about it. Knows
//! nothing of customers or receptionists.

use std::fmt;
use std::ops::Range;

use toml_edit::{Array, Item, TableLike, Value};

/// What is wrong with one line of a directory file. Says nothing that stands in the file except names of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}; {}", self.line, self.what, self.fix)
    }
}

/// Names that differ more than this are not meant for each other (`strsim::jaro_winkler`, 1.0 is equal).
const SIMILAR: f64 = 0.8;

/// The name among `known` that `found` was probably meant to be.
fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let rated = known.iter().map(|name| (strsim::jaro_winkler(found, name), *name));
    rated.filter(|(rate, _)| *rate >= SIMILAR).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// Collects what is wrong with one file.
pub(super) struct Reader<'a> {
    text: &'a str,
    pub(super) errors: Vec<RowError>,
}

/// One table of the file, and the line it begins in.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    table: &'a dyn TableLike,
    pub(super) line: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(table: &'a dyn TableLike, line: usize) -> Self {
        Self { table, line }
    }

    /// A text as it stands, unchecked.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.table.get(name)?.as_str()
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, errors: Vec::new() }
    }

    /// The line, from 1, in which `span` begins.
    pub(super) fn line(&self, span: Option<Range<usize>>) -> usize {
        let start = span.map_or(0, |span| span.start).min(self.text.len());
        1 + self.text.as_bytes().iter().take(start).filter(|byte| **byte == b'\n').count()
    }

    pub(super) fn error(&mut self, line: usize, what: impl Into<String>, fix: impl Into<String>) {
        self.errors.push(RowError { line, what: what.into(), fix: fix.into() });
    }

    /// Refuses keys that are not among `known`.
    pub(super) fn only(&mut self, fields: Fields<'_>, known: &[&str]) {
        for (name, item) in fields.table.iter() {
            if known.contains(&name) {
                continue;
            }
            let key = fields.table.key(name).and_then(toml_edit::Key::span);
            let line = self.line(key.or_else(|| item.span()));
            let fix = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known are {}", known.join(", ")),
            };
            self.error(line, format!("`{name}` is not known here"), fix);
        }
    }

    fn item(&self, fields: Fields<'a>, name: &str) -> Option<(&'a Item, usize)> {
        let item = fields.table.get(name).filter(|item| !item.is_none())?;
        let line = if item.span().is_some() { self.line(item.span()) } else { fields.line };
        Some((item, line))
    }

    /// A text, if the field is there.
    pub(super) fn text(&mut self, fields: Fields<'a>, name: &str) -> Option<(&'a str, usize)> {
        let (item, line) = self.item(fields, name)?;
        let text = item.as_str();
        if text.is_none() {
            self.error(line, format!("`{name}` is not a text"), format!("write {name} = \"…\""));
        }
        text.map(|text| (text, line))
    }

    /// A text that has to be there and to say something.
    pub(super) fn needed(&mut self, fields: Fields<'a>, name: &str) -> Option<(&'a str, usize)> {
        if self.item(fields, name).is_none() {
            self.error(fields.line, format!("`{name}` is missing"), format!("add {name} = \"…\""));
            return None;
        }
        let (text, line) = self.text(fields, name)?;
        if text.trim().is_empty() {
            self.error(line, format!("`{name}` is empty"), "write something between the quotes");
            return None;
        }
        Some((text, line))
    }

    /// One of several words; the default if the field is not there.
    pub(super) fn choice<T: Copy + Default>(
        &mut self,
        fields: Fields<'a>,
        name: &str,
        choices: &[(&str, T)],
    ) -> T {
        let Some((found, line)) = self.text(fields, name) else {
            return T::default();
        };
        if let Some((_, choice)) = choices.iter().find(|(word, _)| *word == found) {
            return *choice;
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let fix = match nearest(found, &words) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write one of {}", words.join(", ")),
        };
        self.error(line, format!("`{name}` has no such choice"), fix);
        T::default()
    }

    /// True or false; `otherwise` if the field is not there.
    pub(super) fn flag(&mut self, fields: Fields<'a>, name: &str, otherwise: bool) -> bool {
        let Some((item, line)) = self.item(fields, name) else { return otherwise };
        item.as_bool().unwrap_or_else(|| {
            let fix = format!("write {name} = true or {name} = false");
            self.error(line, format!("`{name}` is neither true nor false"), fix);
            otherwise
        })
    }

    /// A whole number within bounds.
    pub(super) fn whole(
        &mut self,
        fields: Fields<'a>,
        name: &str,
        bounds: std::ops::RangeInclusive<u16>,
    ) -> Option<u16> {
        let fix = format!("write {name} = {} to {}", bounds.start(), bounds.end());
        let Some((item, line)) = self.item(fields, name) else {
            self.error(fields.line, format!("`{name}` is missing"), fix);
            return None;
        };
        let found = item.as_integer().and_then(|found| u16::try_from(found).ok());
        let found = found.filter(|found| bounds.contains(found));
        if found.is_none() {
            self.error(line, format!("`{name}` is not a number in bounds"), fix);
        }
        found
    }

    /// A list that has to be there and to hold something.
    pub(super) fn list(&mut self, fields: Fields<'a>, name: &str) -> Vec<(&'a Value, usize)> {
        let Some((item, line)) = self.item(fields, name) else {
            self.error(fields.line, format!("`{name}` is missing"), format!("add {name} = […]"));
            return Vec::new();
        };
        let Some(array) = item.as_array().filter(|array| !array.is_empty()) else {
            self.error(line, format!("`{name}` is not a list of something"), format!("write {name} = […]"));
            return Vec::new();
        };
        self.values(array)
    }

    fn values(&self, array: &'a Array) -> Vec<(&'a Value, usize)> {
        array.iter().map(|value| (value, self.line(value.span()))).collect()
    }

    /// A table within this one, if the field is there.
    pub(super) fn table(&mut self, fields: Fields<'a>, name: &str) -> Option<Fields<'a>> {
        let (item, line) = self.item(fields, name)?;
        let table = item.as_table_like();
        if table.is_none() {
            self.error(line, format!("`{name}` is not a table"), format!("write {name} = {{ … }}"));
        }
        table.map(|table| Fields::new(table, line))
    }

    /// The tables `[[name]]` of the whole file.
    pub(super) fn tables(&mut self, file: Fields<'a>, name: &str) -> Vec<Fields<'a>> {
        let Some((item, line)) = self.item(file, name) else {
            return Vec::new();
        };
        let Some(tables) = item.as_array_of_tables() else {
            self.error(line, format!("`{name}` is not a list of tables"), format!("write [[{name}]]"));
            return Vec::new();
        };
        tables.iter().map(|table| Fields::new(table, self.line(table.span()))).collect()
    }
}
