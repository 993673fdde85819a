//! Ports that are free on loopback at this moment.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Where the search begins: below the kernel's ephemeral range, so that no client gets one of ours by chance.
const FIRST: u16 = 11_000;
const LAST: u16 = 31_000;

/// Between the beginnings of two processes with neighbouring ids: a prime, more than a process takes.
const STRIDE: u64 = 7_919;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A block of `count` consecutive ports, all free for UDP and TCP, the first of them even.
///
/// Blocks differ within one process; between processes the start depends on the process id, and processes that were started
/// one after the other begin far from each other.
///
/// # Panics
/// When no such block is free.
#[must_use]
pub fn block(count: u16) -> u16 {
    let spread = LAST - FIRST;
    let process = u64::from(std::process::id()) * STRIDE % u64::from(spread);
    let process = u16::try_from(process).expect("below a u16");
    for _ in 0..2_000 {
        let offset = NEXT.fetch_add(count + count % 2, Ordering::Relaxed).wrapping_add(process) % spread;
        let first = (FIRST + offset) & !1;
        if (first..first + count).all(free) {
            return first;
        }
    }
    panic!("no block of {count} free ports between {FIRST} and {LAST}");
}

fn free(port: u16) -> bool {
    UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()
}
