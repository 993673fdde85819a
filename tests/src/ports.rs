//! Ports that are free on loopback at this moment.

use std::collections::VecDeque;
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Where the search begins: below the kernel's ephemeral range, so that no client gets one of ours by chance.
const FIRST: u16 = 11_000;
const LAST: u16 = 31_000;

/// Between the beginnings of two processes with neighbouring ids: a prime, more than a process takes.
const STRIDE: u64 = 7_919;

/// What this process has given out last, up to half of all: its owners may not have bound it yet.
static GIVEN: Mutex<VecDeque<Range<u16>>> = Mutex::new(VecDeque::new());

/// A block of `count` consecutive ports, all free for UDP and TCP, the first of them even.
///
/// Blocks of one process do not overlap for a long while; between processes the start depends on the process id, and processes that were
/// started one after the other begin far from each other.
///
/// # Panics
/// When no such block is free.
#[must_use]
pub fn block(count: u16) -> u16 {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let spread = LAST - FIRST;
    let process = u64::from(std::process::id()) * STRIDE % u64::from(spread);
    let process = u16::try_from(process).expect("below a u16");
    let last = given.back().map_or(process, |block| block.end - FIRST);
    for step in 0..spread / 2 {
        let first = (FIRST + last.wrapping_add(step * 2) % spread + 1) & !1;
        let block = first..first.saturating_add(count);
        let apart = given.iter().all(|other| block.end <= other.start || other.end <= block.start);
        if block.end <= LAST && apart && block.clone().all(free) {
            given.push_back(block);
            while given.iter().map(|block| block.end - block.start).sum::<u16>() > spread / 2
                && given.len() > 1
            {
                given.pop_front();
            }
            return first;
        }
    }
    panic!("no block of {count} free ports between {FIRST} and {LAST}");
}

fn free(port: u16) -> bool {
    UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()
}
