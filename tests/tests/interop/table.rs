//! The table, as Markdown.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use vorzimmer_tests::server;

use crate::cases::CASES;
use crate::clients::CLIENTS;

const BEGIN: &str = "<!-- what the run printed -->\n";
const END: &str = "<!-- end of what the run printed -->\n";

/// Why a case failed.
pub fn reason(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// A row for each case, a column for each client; limits are numbered and listed below.
pub fn print(cells: &BTreeMap<(&str, &str), String>) -> String {
    let mut limits: Vec<&String> = Vec::new();
    let mut text = String::from("| |");
    for client in CLIENTS {
        write!(text, " {} |", client.name).expect("a string takes all");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(CLIENTS.len()));
    for case in CASES {
        write!(text, "\n| {} |", case.name).expect("a string takes all");
        for client in CLIENTS {
            let cell = &cells[&(client.name, case.name)];
            if cell == "yes" {
                text.push_str(" yes |");
                continue;
            }
            let place = limits.iter().position(|limit| *limit == cell).unwrap_or_else(|| {
                limits.push(cell);
                limits.len() - 1
            });
            write!(text, " – [{}] |", place + 1).expect("a string takes all");
        }
    }
    text.push('\n');
    for (place, limit) in limits.iter().enumerate() {
        write!(text, "\n[{}] {limit}\n", place + 1).expect("a string takes all");
    }
    text
}

/// Holds the table against the one in the README, or writes it there.
pub fn compare(table: &str) {
    let path = server::workspace().join("tests/interop/README.md");
    let readme = fs::read_to_string(&path).expect("the README of the matrix");
    let (before, rest) = readme.split_once(BEGIN).expect("where the table begins");
    let (said, after) = rest.split_once(END).expect("where the table ends");
    if std::env::var_os("INTEROP_WRITE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("the README can be written");
        return;
    }
    assert!(said == table, "the README says\n{said}\nand the run says\n{table}\nINTEROP_WRITE=1 writes it");
}
