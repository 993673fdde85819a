//! The door on loopback: who is handed to whom.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vorzimmer_wire::{Driver, Pause, Waker, Wire};

use super::{Counters, Door, Doorway, PARCEL, label, labelled};
use crate::clock;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A worker that only wakes up.
struct Worker {
    wire: Wire,
    doorway: Doorway,
}

impl Worker {
    /// What the door hands to it within a second.
    fn next(&mut self) -> Option<Vec<u8>> {
        let end = clock::mono() + Duration::from_secs(1);
        loop {
            if let Some(mut parcel) = self.doorway.next() {
                return Some(parcel.bytes().to_vec());
            }
            let left = end.checked_duration_since(clock::mono())?;
            self.wire.wait(left, Pause::UntilSomething).expect("the worker waits");
        }
    }
}

fn open(workers: usize) -> (Door, Vec<Worker>) {
    let wakers: Vec<_> = (0..workers).map(|_| Waker::new().expect("a waker")).collect();
    let (door, doorways) =
        Door::open(0, &[LOOPBACK], &wakers, Arc::new(Counters::default())).expect("the door opens");
    let open = |waker: &Waker| Wire::open(Driver::Epoll, waker.clone()).expect("a wire");
    let workers = wakers.iter().zip(doorways).map(|(waker, doorway)| Worker { wire: open(waker), doorway });
    (door, workers.collect())
}

/// A binding request for this user name, as far as the door looks.
fn check(username: &str) -> Vec<u8> {
    let padded = username.len().next_multiple_of(4);
    let mut bytes = vec![0, 1, 0, u8::try_from(4 + padded).expect("short"), 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([9; 12]);
    bytes.extend([0, 6, 0, u8::try_from(username.len()).expect("short")]);
    bytes.extend(username.bytes());
    bytes.resize(20 + 4 + padded, 0);
    bytes
}

fn browser() -> UdpSocket {
    UdpSocket::bind((LOOPBACK, 0)).expect("a browser's socket")
}

#[test]
fn a_check_goes_to_the_worker_that_its_name_begins_with_and_media_to_the_one_that_proved_the_address() {
    let (door, mut workers) = open(2);
    let (_, at) = workers[0].doorway.socket(LOOPBACK).expect("a socket");
    let (one, other) = (browser(), browser());
    let named = check(&format!("{}abcd:efgh", workers[1].doorway.label()));
    one.send_to(&named, at).expect("sent");
    assert_eq!(workers[1].next(), Some(named));

    // Not proven yet: ends at the door. What follows shows that it was looked at.
    one.send_to(&[128, 8, 1], at).expect("sent");
    let again = check(&format!("{}abcd:efgh", workers[0].doorway.label()));
    one.send_to(&again, at).expect("sent");
    assert_eq!(workers[0].next(), Some(again));

    workers[1].doorway.proven(one.local_addr().expect("its address"));
    let end: Instant = clock::mono() + Duration::from_secs(5);
    loop {
        // The order and the datagram go different ways: the first may be late.
        one.send_to(&[128, 8, 2], at).expect("sent");
        other.send_to(&[128, 8, 3], at).expect("sent");
        if let Some(taken) = workers[1].next() {
            assert_eq!(taken, [128, 8, 2]);
            break;
        }
        assert!(clock::mono() < end, "the proven address was never served");
    }
    assert!(workers[0].doorway.next().is_none(), "nothing was for the other worker");
    door.close();
}

#[test]
fn what_is_for_nobody_or_too_long_ends_at_the_door() {
    let (door, mut workers) = open(1);
    let (_, at) = workers[0].doorway.socket(LOOPBACK).expect("a socket");
    let one = browser();
    let label = workers[0].doorway.label();
    for junk in
        [vec![], vec![0], check("zzabcd:efgh"), check("nocolon"), vec![128; PARCEL], vec![0xff; 9_000]]
    {
        one.send_to(&junk, at).expect("sent");
    }
    let last = check(&format!("{label}abcd:efgh"));
    one.send_to(&last, at).expect("sent");
    assert_eq!(workers[0].next(), Some(last), "and nothing before it");
    door.close();
}

#[test]
fn a_worker_sends_from_the_port_that_browsers_know() {
    let (door, workers) = open(1);
    let (socket, at) = workers[0].doorway.socket(LOOPBACK).expect("a socket");
    let one = browser();
    socket.send_to(b"hello", one.local_addr().expect("its address")).expect("sent");
    let mut buffer = [0; 16];
    let (length, from) = one.recv_from(&mut buffer).expect("received");
    assert_eq!((&buffer[..length], from), (b"hello".as_slice(), at));
    door.close();
}

#[test]
fn every_worker_has_a_label_of_its_own() {
    for worker in [0, 1, 35, 36, 1_295] {
        assert_eq!(labelled(&format!("{}rest", label(worker))), Some(worker));
    }
    assert_eq!((labelled("-x"), labelled("a"), labelled("")), (None, None, None));
}
