//! Every client against everything that a receptionist or a caller does: what comes out is the table in
//! `tests/interop/README.md`, and this test holds the two against each other.
//!
//! `INTEROP_WRITE=1` writes the table; `INTEROP_ONLY="pjsua2 TLS"` plays the cases whose client and rows hold all of these
//! words. A cell is `yes` when a case that proves it was seen to work, or the client's own limit, which it was asked about.
#![expect(clippy::expect_used, clippy::panic, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

mod cases;
mod clients;
mod front;
mod house;
mod limits;
mod rows;
mod scenario;
mod softphones;
mod table;
mod trunk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use clients::Client;
use table::{Cell, Cells};

/// Cases at once: most of a call is listening, so that two processors carry more of them than this.
const AT_ONCE: usize = 6;

/// Something to be done for the table.
enum Task {
    /// Plays this client's case with this number.
    Play(&'static Client, usize),
    /// Asks this client about its limits.
    Ask(&'static Client),
}

impl Task {
    /// In the order in which they are begun: the clients take turns, so that no kind of them is alone on the machine.
    fn all() -> Vec<Self> {
        let longest = clients::ALL.iter().map(|client| client.cases.len()).max().unwrap_or(0);
        let plays = (0..longest).flat_map(|at| {
            let with = clients::ALL.iter().filter(move |client| at < client.cases.len());
            with.map(move |client| Self::Play(client, at))
        });
        let asks = clients::ALL.iter().map(Self::Ask);
        plays.chain(asks).filter(Self::is_wanted).collect()
    }

    fn client(&self) -> &'static Client {
        match self {
            Self::Play(client, _) | Self::Ask(client) => client,
        }
    }

    /// The rows that come of it: a case proves those that its client has no limit at.
    fn rows(&self) -> Vec<&'static str> {
        match self {
            Self::Play(client, at) => {
                let proves = client.cases[*at].rows.iter().copied();
                proves.filter(|row| client.limit(row).is_none()).collect()
            }
            Self::Ask(client) => client.limits.iter().map(|limit| limit.row).collect(),
        }
    }

    fn is_wanted(&self) -> bool {
        let only = std::env::var("INTEROP_ONLY").unwrap_or_default();
        let text = format!("{} {}", self.client().name, self.rows().join(" "));
        !self.rows().is_empty() && only.split_whitespace().all(|word| text.contains(word))
    }

    fn run(&self) -> Vec<(&'static str, Cell)> {
        match self {
            Self::Ask(client) => {
                let limits = client.limits.iter();
                limits
                    .map(|limit| {
                        (limit.row, limit.prove().map_or_else(Cell::No, |()| Cell::Limit(limit.text())))
                    })
                    .collect()
            }
            Self::Play(client, at) => {
                let played = catch_unwind(AssertUnwindSafe(|| (client.cases[*at].play)(client)));
                let cell = played.map_or_else(|why| Cell::No(table::reason(&*why)), |()| Cell::Yes);
                self.rows().into_iter().map(|row| (row, cell.clone())).collect()
            }
        }
    }
}

#[test]
fn the_table_is_what_a_run_of_it_prints() {
    let tasks = Task::all();
    let left = Mutex::new(tasks.iter());
    let cells = Mutex::new(Cells::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("what is left").next();
                    let Some(task) = next else { return };
                    let (name, began) = (task.client().name, Instant::now());
                    let came = task.run();
                    let seconds = began.elapsed().as_secs();
                    for (row, cell) in came {
                        println!("{name} | {row} | {cell:?} ({seconds} s)");
                        cells.lock().expect("the cells").insert((name, row), cell);
                    }
                }
            });
        }
    });
    let cells = cells.into_inner().expect("the cells");
    let failed: Vec<_> = cells.iter().filter(|(_, cell)| matches!(cell, Cell::No(_))).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    if std::env::var_os("INTEROP_ONLY").is_none() {
        table::compare(&table::print(&cells));
    }
}

/// Every cell comes of a case or is a limit, and of one only.
#[test]
fn every_client_has_a_word_for_every_row() {
    for client in clients::ALL {
        for row in rows::ALL {
            let proven =
                client.cases.iter().flat_map(|case| case.rows).filter(|proven| *proven == row).count();
            let limited = client.limit(row).is_some();
            assert!(
                proven == 1 || (proven == 0 && limited),
                "{}: {row} is proven {proven} times",
                client.name
            );
        }
    }
}
