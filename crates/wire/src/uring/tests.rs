//! What only the ring has: numbers that are used again, buffers and places that come back. What either driver has to do
//! is in `tests/both.rs`. Where the kernel allows no ring there is nothing to try.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::Uring;
use crate::buffers::COUNT;
use crate::outbox::PLACES;
use crate::{Came, DATAGRAM, probe};

fn open() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// None where rings are forbidden.
fn ring() -> Option<Uring> {
    probe().is_ok().then(|| Uring::new().unwrap())
}

/// Takes datagrams until there are so many, or nothing comes for a second.
fn collect(ring: &mut Uring, count: usize) -> Vec<(Came, Vec<u8>)> {
    let mut all = Vec::new();
    let mut buffer = [0; DATAGRAM];
    for _ in 0..1_000 {
        ring.wait(Duration::from_millis(1), 1).unwrap();
        while let Some(came) = ring.next(&mut buffer) {
            all.push((came, buffer[..came.length].to_vec()));
        }
        if all.len() >= count {
            break;
        }
    }
    all
}

#[test]
fn a_socket_that_was_removed_is_silent_and_its_number_is_anothers() {
    let Some(mut ring) = ring() else { return };
    let ((first, first_at), (second, second_at)) = (open(), open());
    let (peer, _) = open();
    let key = ring.add(&first, 1).unwrap();
    ring.wait(Duration::from_millis(1), 1).unwrap();
    peer.send_to(b"late", first_at).unwrap();
    ring.remove(key).unwrap();
    let other = ring.add(&second, 2).unwrap();
    peer.send_to(b"second", second_at).unwrap();
    let came = collect(&mut ring, 1);
    assert_eq!(came.len(), 1, "{came:?}");
    assert_eq!((came[0].0.name, came[0].1.as_slice()), (2, &b"second"[..]));
    assert_eq!(key.index, other.index);
    assert!(ring.send(key, second_at, b"no").is_err());
}

#[test]
fn more_than_all_buffers_and_all_places_come_and_go() {
    let Some(mut ring) = ring() else { return };
    let (ours, at) = open();
    let (peer, peer_at) = open();
    let key = ring.add(&ours, 7).unwrap();
    let rounds = 3 * usize::from(COUNT.max(PLACES)) / 100;
    let mut buffer = [0; DATAGRAM];
    for round in 0..rounds {
        for number in 0..100_u32 {
            peer.send_to(&(round as u32 * 100 + number).to_be_bytes(), at).unwrap();
        }
        let came = collect(&mut ring, 100);
        assert_eq!(came.len(), 100, "round {round}");
        for (_, bytes) in came {
            ring.send(key, peer_at, &bytes).unwrap();
        }
        ring.wait(Duration::from_millis(1), 1).unwrap();
        for number in 0..100_u32 {
            let (length, _) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..length], (round as u32 * 100 + number).to_be_bytes());
        }
    }
    assert_eq!(ring.take_failed(), 0);
}

#[test]
fn more_sockets_than_buffers_are_all_heard_after_a_burst() {
    const SOCKETS: usize = 300;
    const BURST: usize = 12;
    let Some(mut ring) = ring() else { return };
    let (peer, _) = open();
    let ours: Vec<_> = (0..SOCKETS).map(|_| open()).collect();
    for (name, (socket, _)) in (0..).zip(&ours) {
        ring.add(socket, name).unwrap();
    }
    for round in 0..6 {
        for number in 0..BURST {
            for (_, at) in &ours {
                peer.send_to(&[round, number as u8], at).unwrap();
            }
        }
        let mut heard = vec![0; SOCKETS];
        for (came, bytes) in collect(&mut ring, SOCKETS * BURST) {
            let name = usize::try_from(came.name).unwrap();
            assert_eq!(bytes, [round, heard[name]], "in order, and nothing of before");
            heard[name] += 1;
        }
        assert!(heard.iter().all(|count| usize::from(*count) == BURST), "round {round}: {heard:?}");
    }
}

/// A worker that comes too late for its packets finds more of them than there are buffers; so do the next turns, since
/// who is heard speaks on. The kernel takes up to 32 of one socket before it turns to the next: nobody waits until
/// everybody else was served twice.
#[test]
fn who_found_no_buffer_is_heard_in_turn() {
    const SOCKETS: usize = 400;
    const BACKLOG: usize = 64;
    const AT_ONCE: usize = 32;
    let Some(mut ring) = ring() else { return };
    let (peer, _) = open();
    let ours: Vec<_> = (0..SOCKETS).map(|_| open()).collect();
    let speak = |(_, at): &(UdpSocket, SocketAddr)| {
        for _ in 0..BACKLOG {
            peer.send_to(b"on", *at).unwrap();
        }
    };
    ours.iter().for_each(speak);
    for (name, (socket, _)) in (0..).zip(&ours) {
        ring.add(socket, name).unwrap();
    }
    let mut heard = [0_u32; SOCKETS];
    let (mut turns, mut taken, mut buffer) = (0, 0, [0; DATAGRAM]);
    while heard.contains(&0) {
        assert!(taken < 2 * SOCKETS * AT_ONCE, "after {turns} turns nobody has heard {:?}", {
            (0..SOCKETS).filter(|at| heard[*at] == 0).collect::<Vec<_>>()
        });
        ring.wait(Duration::from_millis(1), 1).unwrap();
        turns += 1;
        let mut spoke = [false; SOCKETS];
        while let Some(came) = ring.next(&mut buffer) {
            spoke[usize::try_from(came.name).unwrap()] = true;
            taken += 1;
        }
        for (at, _) in spoke.iter().enumerate().filter(|(_, spoke)| **spoke) {
            heard[at] += 1;
            speak(&ours[at]);
        }
    }
}

/// With a port that was asked for: what the kernel chose it takes back with the only peer.
fn open_with_port() -> (UdpSocket, SocketAddr) {
    let at = open().1;
    (UdpSocket::bind(at).unwrap(), at)
}

/// What is heard of whom, by the end of a tick.
fn heard(ring: &mut Uring, speakers: &[&UdpSocket], at: SocketAddr) -> Vec<SocketAddr> {
    // What was asked for of sockets is done with a wait.
    ring.wait(Duration::from_millis(1), 60_000).unwrap();
    for speaker in speakers {
        // Who was refused before is told so instead; the second time it is sent.
        if speaker.send_to(b"hello", at).is_err() {
            speaker.send_to(b"hello", at).unwrap();
        }
    }
    ring.wait(Duration::from_millis(20), 60_000).unwrap();
    let mut buffer = [0; DATAGRAM];
    std::iter::from_fn(|| ring.next(&mut buffer)).map(|came| came.from).collect()
}

#[test]
fn an_only_peer_is_heard_alone_until_everybody_is_again() {
    let Some(mut ring) = ring() else { return };
    let ((ours, at), (peer, peer_at), (other, other_at)) = (open_with_port(), open(), open());
    let key = ring.add(&ours, 7).unwrap();
    assert_eq!(heard(&mut ring, &[&other, &peer], at), [other_at, peer_at]);
    for _ in 0..3 {
        ring.fasten(key, peer_at).unwrap();
        assert_eq!(heard(&mut ring, &[&other, &peer], at), [peer_at]);
        ring.send(key, peer_at, b"you").unwrap();
        ring.wait(Duration::from_millis(1), 1).unwrap();
        assert_eq!(peer.recv_from(&mut [0; 8]).unwrap(), (3, at));
        ring.loosen(key).unwrap();
        assert_eq!(heard(&mut ring, &[&other, &peer], at), [other_at, peer_at]);
        ring.send(key, peer_at, b"you").unwrap();
        ring.wait(Duration::from_millis(1), 1).unwrap();
        assert_eq!(peer.recv_from(&mut [0; 8]).unwrap(), (3, at));
    }
    ring.fasten(key, peer_at).unwrap();
    assert_eq!(heard(&mut ring, &[&other], at), []);
    ring.send(key, other_at, b"and you").unwrap();
    assert_eq!(heard(&mut ring, &[&other, &peer], at), [other_at, peer_at], "who is sent to may answer");
    assert_eq!(other.recv_from(&mut [0; 8]).unwrap(), (7, at));
    // One peer after another, before the kernel has done anything.
    ring.fasten(key, peer_at).unwrap();
    ring.loosen(key).unwrap();
    ring.fasten(key, other_at).unwrap();
    assert_eq!(heard(&mut ring, &[&other, &peer], at), [other_at]);
    assert_eq!(ring.take_failed(), 0);
}

#[test]
fn a_peer_that_cannot_be_reached_does_not_keep_others_out() {
    let Some(mut ring) = ring() else { return };
    let ((ours, at), (peer, peer_at), (other, other_at)) = (open_with_port(), open(), open());
    let key = ring.add(&ours, 7).unwrap();
    ring.fasten(key, peer_at).unwrap();
    assert_eq!(heard(&mut ring, &[&other, &peer], at), [peer_at]);
    drop(peer);
    ring.send(key, peer_at, b"are you there").unwrap();
    ring.wait(Duration::from_millis(20), 60_000).unwrap();
    assert_eq!(heard(&mut ring, &[&other], at), [other_at]);
    // Its port is somebody else's meanwhile, who is sent to like everybody.
    let peer = UdpSocket::bind(peer_at).unwrap();
    ring.send(key, peer_at, b"hello").unwrap();
    ring.wait(Duration::from_millis(1), 1).unwrap();
    assert_eq!(peer.recv_from(&mut [0; 8]).unwrap(), (5, at));
}
