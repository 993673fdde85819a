//! The table, as Markdown.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use vorzimmer_tests::server;

use crate::{clients, rows};

const BEGIN: &str = "<!-- what the run printed -->\n";
const END: &str = "<!-- end of what the run printed -->\n";

/// What came of a row with a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It was seen to work.
    Yes,
    /// The client cannot, and why.
    Limit(String),
    /// It does not work.
    No(String),
}

/// What came of every row with every client.
pub type Cells = BTreeMap<(&'static str, &'static str), Cell>;

/// Why a case failed.
pub fn reason(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// A column for each client; limits are numbered and listed below.
pub fn print(cells: &Cells) -> String {
    let mut limits: Vec<&String> = Vec::new();
    let mut text = String::from("| |");
    for client in clients::ALL {
        write!(text, " {} |", client.name).expect("a string takes all");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(clients::ALL.len()));
    for row in rows::ALL {
        write!(text, "\n| {row} |").expect("a string takes all");
        for client in clients::ALL {
            match &cells[&(client.name, *row)] {
                Cell::Yes => text.push_str(" yes |"),
                Cell::Limit(why) => {
                    write!(text, " – [{}] |", place(&mut limits, why)).expect("a string takes all");
                }
                Cell::No(why) => write!(text, " NO: {why} |").expect("a string takes all"),
            }
        }
    }
    text.push('\n');
    for (place, limit) in limits.iter().enumerate() {
        write!(text, "\n[{}] {limit}\n", place + 1).expect("a string takes all");
    }
    text
}

/// The number of a limit, from 1.
fn place<'a>(limits: &mut Vec<&'a String>, limit: &'a String) -> usize {
    let known = limits.iter().position(|known| *known == limit).unwrap_or_else(|| {
        limits.push(limit);
        limits.len() - 1
    });
    known + 1
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
