//! What either driver has to do, with real sockets on loopback. Where the kernel allows no ring, epoll alone is tried, as
//! the server would.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test ends with the reason")]
#![expect(clippy::disallowed_methods, reason = "sockets live in real time")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use vorzimmer_wire::{Came, DATAGRAM, Driver, Pause, Waker, Wire, probe};

fn open() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let address = socket.local_addr().expect("its address");
    (socket, address)
}

/// A peer, which gives up after a second.
fn peer() -> (UdpSocket, SocketAddr) {
    let (socket, address) = open();
    socket.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    (socket, address)
}

fn each_driver(test: impl Fn(&mut Wire)) {
    for driver in [Driver::Epoll, Driver::IoUring] {
        if driver == Driver::IoUring && probe().is_err() {
            continue;
        }
        // What a failure says names the driver.
        println!("by {}", driver.name());
        test(&mut Wire::open(driver, Waker::new().expect("a waker")).expect("a wire"));
    }
}

/// Takes datagrams until there are so many, or nothing comes any more.
fn collect(wire: &mut Wire, count: usize) -> Vec<(Came, Vec<u8>)> {
    let mut all = Vec::new();
    let mut buffer = [0; DATAGRAM];
    for _ in 0..1_000 {
        wire.wait(Duration::from_millis(1), Pause::Tick).expect("a wait");
        while let Some(came) = wire.next(&mut buffer) {
            all.push((came, buffer[..came.length].to_vec()));
        }
        if all.len() >= count {
            break;
        }
    }
    all
}

#[test]
fn datagrams_come_whole_under_their_sockets_names_and_go_back() {
    each_driver(|wire| {
        let ((ours, at), (peer, peer_at)) = (open(), peer());
        let key = wire.add(ours, 42).expect("a socket more");
        for text in ["one", "two", ""] {
            peer.send_to(text.as_bytes(), at).expect("sent");
        }
        let came = collect(wire, 3);
        let texts: Vec<_> = came.iter().map(|(_, text)| String::from_utf8_lossy(text).into_owned()).collect();
        assert_eq!(texts, ["one", "two", ""]);
        assert!(came.iter().all(|(came, _)| (came.name, came.from) == (42, peer_at)));
        wire.send(key, peer_at, b"back").expect("sent");
        wire.flush().expect("flushed");
        let mut buffer = [0; 16];
        assert_eq!(peer.recv_from(&mut buffer).expect("an answer"), (4, at));
        assert_eq!(wire.take_failed(), 0);
    });
}

#[test]
fn addresses_of_both_families_are_told() {
    each_driver(|wire| {
        let bind = || UdpSocket::bind((Ipv6Addr::LOCALHOST, 0));
        // Without the newer protocol there is nothing to try.
        let (Ok(ours), Ok(peer)) = (bind(), bind()) else { return };
        let (at, peer_at) = (ours.local_addr().expect("at"), peer.local_addr().expect("at"));
        let key = wire.add(ours, 1).expect("a socket more");
        peer.send_to(b"six", at).expect("sent");
        assert_eq!(collect(wire, 1)[0].0, Came { name: 1, from: peer_at, length: 3 });
        wire.send(key, peer_at, b"back").expect("sent");
        wire.flush().expect("flushed");
        assert_eq!(peer.recv_from(&mut [0; 16]).expect("an answer"), (4, at));
    });
}

#[test]
fn what_is_too_long_is_cut_or_refused() {
    each_driver(|wire| {
        let ((ours, at), (peer, peer_at)) = (open(), peer());
        let key = wire.add(ours, 1).expect("a socket more");
        peer.send_to(&[7; DATAGRAM + 1], at).expect("sent");
        peer.send_to(&[7; DATAGRAM], at).expect("sent");
        let lengths: Vec<_> = collect(wire, 2).iter().map(|(came, _)| came.length).collect();
        assert_eq!(lengths, [DATAGRAM, DATAGRAM]);
        assert!(wire.send(key, peer_at, &[7; DATAGRAM + 1]).is_err());
        wire.send(key, peer_at, &[7; DATAGRAM]).expect("sent");
        wire.flush().expect("flushed");
        assert_eq!(peer.recv_from(&mut [0; 2 * DATAGRAM]).expect("an answer").0, DATAGRAM);
    });
}

#[test]
fn a_socket_that_was_removed_is_silent_and_sends_nothing() {
    each_driver(|wire| {
        let ((first, first_at), (second, second_at), (peer, _)) = (open(), open(), peer());
        let key = wire.add(first, 1).expect("a socket more");
        wire.wait(Duration::from_millis(1), Pause::Tick).expect("a wait");
        peer.send_to(b"late", first_at).expect("sent");
        wire.remove(key).expect("removed");
        wire.add(second, 2).expect("a socket more");
        peer.send_to(b"second", second_at).expect("sent");
        let came = collect(wire, 1);
        assert_eq!(came.len(), 1, "{came:?}");
        assert_eq!((came[0].0.name, came[0].1.as_slice()), (2, &b"second"[..]));
        drop(UdpSocket::bind(first_at).expect("its port is free"));
    });
}

#[test]
fn a_flood_is_not_lost_and_keeps_its_order() {
    each_driver(|wire| {
        let ((ours, at), (peer, _)) = (open(), peer());
        wire.add(ours, 7).expect("a socket more");
        // So many fit into a socket by default; nobody looks meanwhile.
        for number in 0..64_u8 {
            peer.send_to(&[number; 1_000], at).expect("sent");
        }
        let numbers: Vec<_> = collect(wire, 64).iter().map(|(_, bytes)| bytes[0]).collect();
        assert_eq!(numbers, (0..64).collect::<Vec<u8>>());
    });
}

#[test]
fn what_is_said_to_come_comes() {
    each_driver(|wire| {
        let mut sockets = Vec::new();
        for name in 0..8 {
            let (ours, at) = open();
            wire.add(ours, name).expect("a socket more");
            sockets.push(at);
        }
        let (peer, _) = peer();
        for at in &sockets {
            peer.send_to(b"x", at).expect("sent");
        }
        wire.wait(Duration::from_millis(50), Pause::Tick).expect("a wait");
        let mut buffer = [0; DATAGRAM];
        let mut said = Vec::new();
        let mut came = Vec::new();
        while let Some(next) = wire.next(&mut buffer) {
            came.push(next.name);
            if let Some(name) = wire.upcoming(0) {
                said.push((came.len(), name));
            }
        }
        assert_eq!(came.len(), 8);
        assert_eq!(said.len(), 7, "all but the last had one after them");
        assert!(said.iter().all(|(place, name)| came[*place] == *name), "{said:?} of {came:?}");
    });
}

#[test]
fn a_waker_ends_a_wait_for_something_and_a_tick_waits_its_time() {
    for driver in [Driver::Epoll, Driver::IoUring] {
        if driver == Driver::IoUring && probe().is_err() {
            continue;
        }
        let waker = Waker::new().expect("a waker");
        let mut wire = Wire::open(driver, waker.clone()).expect("a wire");
        waker.wake().expect("woken");
        // Without it this would be the test's last line for a minute.
        wire.wait(Duration::from_secs(60), Pause::UntilSomething).expect("a wait");
        let ((ours, at), (peer, _)) = (open(), peer());
        wire.add(ours, 1).expect("a socket more");
        peer.send_to(b"early", at).expect("sent");
        let began = Instant::now();
        wire.wait(Duration::from_millis(20), Pause::Tick).expect("a wait");
        assert!(began.elapsed() >= Duration::from_millis(20), "{} is woken for each datagram", driver.name());
        assert_eq!(wire.next(&mut [0; DATAGRAM]).map(|came| came.length), Some(5));
    }
}
