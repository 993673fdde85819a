//! `VORZIMMER_SECTION__KEY=value` in the environment stands above the file.
//!
//! A variable without `__` is not an override (`VORZIMMER_CONFIG`, a key in the environment) and is left alone.

use toml::{Table, Value};

use super::error::ConfigError;
use super::settings::Settings;

const PREFIX: &str = "VORZIMMER_";

/// Takes in every override, in the order of their names; the first that does not fit is the error.
pub(super) fn apply(
    text: &str,
    settings: Settings,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let mut overrides: Vec<(String, String)> =
        variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__")).collect();
    if overrides.is_empty() {
        return Ok(settings);
    }
    overrides.sort();
    let mut table: Table =
        toml::from_str(text).map_err(|error| ConfigError::in_file("file", text, &error))?;
    let mut settings = settings;
    for (name, value) in overrides {
        (table, settings) = apply_one(&table, &name, &value)?;
    }
    Ok(settings)
}

/// The environment knows only text: it is tried as TOML, as a text, and as a list separated by commas.
fn apply_one(table: &Table, name: &str, value: &str) -> Result<(Table, Settings), ConfigError> {
    let path: Vec<String> =
        name.trim_start_matches(PREFIX).split("__").map(str::to_ascii_lowercase).collect();
    let mut first_error = None;
    for candidate in readings(value) {
        let mut changed = table.clone();
        if !put(&mut changed, &path, candidate) {
            return Err(not_a_section(name, &path));
        }
        match changed.clone().try_into::<Settings>() {
            Ok(settings) => return Ok((changed, settings)),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error
        .map_or_else(|| not_a_section(name, &path), |error| ConfigError::in_variable(name, &error)))
}

fn readings(value: &str) -> Vec<Value> {
    let mut readings = Vec::with_capacity(3);
    let as_toml: Option<Value> =
        toml::from_str::<Table>(&format!("value = {value}")).ok().and_then(|mut table| table.remove("value"));
    readings.extend(as_toml);
    readings.push(Value::String(value.to_owned()));
    readings.push(Value::Array(
        value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(|item| Value::String(item.to_owned()))
            .collect(),
    ));
    readings
}

/// Puts `value` at `path`, making sections on the way; false if something on the way is not a section.
fn put(table: &mut Table, path: &[String], value: Value) -> bool {
    match path {
        [] => false,
        [key] => {
            table.insert(key.clone(), value);
            true
        }
        [section, rest @ ..] => {
            let next = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            next.as_table_mut().is_some_and(|next| put(next, rest, value))
        }
    }
}

fn not_a_section(name: &str, path: &[String]) -> ConfigError {
    ConfigError::Variable {
        variable: name.to_owned(),
        what: format!("`{}` is not a section and an option", path.join(".")),
        advice: "write VORZIMMER_SECTION__OPTION, for example VORZIMMER_SIP__REALM".to_owned(),
    }
}
