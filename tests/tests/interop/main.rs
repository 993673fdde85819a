//! Every client against everything that a receptionist or a caller does: what comes out is the table in
//! `tests/interop/README.md`, and this test holds the two against each other.
//!
//! `INTEROP_WRITE=1` writes the table. A cell is `yes` when the case was seen to work, or the client's own limit.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

mod cases;
mod clients;
mod table;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use cases::CASES;
use clients::CLIENTS;

/// Calls at once: two processors carry more softphones than this, but their clocks begin to drift.
const AT_ONCE: usize = 4;

#[test]
fn the_table_is_what_a_run_of_it_prints() {
    let only = std::env::var("INTEROP_ONLY").unwrap_or_default();
    let todo: Vec<_> = CLIENTS
        .iter()
        .flat_map(|client| CASES.iter().map(move |case| (client, case)))
        .filter(|(client, case)| format!("{} {}", client.name, case.name).contains(&only))
        .collect();
    let left = Mutex::new(todo.iter());
    let cells = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("what is left").next();
                    let Some((client, case)) = next else { return };
                    let cell = match client.limit(case.name) {
                        Some(limit) => limit.to_owned(),
                        None => match catch_unwind(AssertUnwindSafe(|| (case.play)(client))) {
                            Ok(()) => "yes".to_owned(),
                            Err(why) => format!("NO: {}", table::reason(&*why)),
                        },
                    };
                    println!("{} | {} | {cell}", client.name, case.name);
                    cells.lock().expect("the cells").insert((client.name, case.name), cell);
                }
            });
        }
    });
    let cells = cells.into_inner().expect("the cells");
    let failed: Vec<_> = cells.iter().filter(|(_, cell)| cell.starts_with("NO")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    if only.is_empty() {
        table::compare(&table::print(&cells));
    }
}
