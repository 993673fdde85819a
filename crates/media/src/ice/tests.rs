//! What a browser, and whoever is not one, can make of the agent.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha1::Sha1;

use super::{ANSWER_ROOM, Agent, CONSENT, Checked, Credentials, MAX_PATHS};
use crate::testing::start;

const OURS: (&str, &str) = ("A1ours", "ourpasswordourpassword00");
const THEIRS: (&str, &str) = ("theirs", "theirpasswordtheirpassw0");

/// A check as a browser sends it, written apart from the code that reads it.
struct Check<'a> {
    to: &'a str,
    by: &'a str,
    password: &'a str,
    priority: u32,
    nominate: bool,
    controlled: bool,
    extra: &'a [u8],
}

impl Default for Check<'_> {
    fn default() -> Self {
        Self {
            to: OURS.0,
            by: THEIRS.0,
            password: OURS.1,
            priority: 1,
            nominate: false,
            controlled: false,
            extra: &[],
        }
    }
}

impl Check<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        out.extend([7; 12]);
        let name = format!("{}:{}", self.to, self.by);
        out.extend([0, 6, 0, name.len() as u8]);
        out.extend(name.bytes());
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend([0, 0x24, 0, 4]);
        out.extend(self.priority.to_be_bytes());
        if self.nominate {
            out.extend([0, 0x25, 0, 0]);
        }
        out.extend([0x80, if self.controlled { 0x29 } else { 0x2a }, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
        out.extend(self.extra);
        out[3] = (out.len() - 20 + 24) as u8;
        let mut mac = Hmac::<Sha1>::new_from_slice(self.password.as_bytes()).unwrap();
        mac.update(&out);
        out.extend([0, 8, 0, 20]);
        out.extend(mac.finalize().into_bytes());
        out
    }
}

fn agent() -> Agent {
    let mut agent = Agent::new(Credentials::new(OURS.0, OURS.1).unwrap());
    agent.remote(Credentials::new(THEIRS.0, THEIRS.1).unwrap());
    agent
}

fn at(host: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, host], 4000))
}

fn take(agent: &mut Agent, from: SocketAddr, check: &Check<'_>, now: Instant) -> Option<Checked> {
    agent.receive(from, &check.bytes(), now, &mut [0; ANSWER_ROOM])
}

#[test]
fn only_who_knows_our_password_is_answered() {
    let now = start();
    let strangers = [
        ("another password", Check { password: "guessedguessedguessed000", ..Check::default() }),
        ("another leg", Check { to: "B2ours", ..Check::default() }),
        ("another peer", Check { by: "other", ..Check::default() }),
    ];
    for (why, check) in strangers {
        let mut agent = agent();
        assert_eq!(take(&mut agent, at(1), &check, now), None, "{why}");
        assert!(!agent.knows(at(1), now) && agent.paths(now).count() == 0, "{why}");
    }
    let mut agent = agent();
    let checked = take(&mut agent, at(1), &Check::default(), now).unwrap();
    assert!(checked.new_path && agent.knows(at(1), now));
    assert!(!agent.knows(at(2), now), "an address is proven, not a person");
    assert_eq!(agent.selected(now), None, "nothing is nominated yet");
}

#[test]
fn before_the_answer_is_here_any_name_of_the_peer_will_do() {
    let mut agent = Agent::new(Credentials::new(OURS.0, OURS.1).unwrap());
    assert!(take(&mut agent, at(1), &Check::default(), start()).is_some());
}

#[test]
fn a_refused_check_proves_nothing() {
    let now = start();
    let cases = [
        Check { controlled: true, nominate: true, ..Check::default() },
        Check { extra: &[0x7f, 1, 0, 0], nominate: true, ..Check::default() },
    ];
    for check in cases {
        let mut agent = agent();
        let mut out = [0; ANSWER_ROOM];
        let checked = agent.receive(at(1), &check.bytes(), now, &mut out).unwrap();
        assert_eq!(out[..2], [1, 0x11], "an error");
        assert!(!checked.new_path && !agent.knows(at(1), now) && agent.selected(now).is_none());
    }
}

#[test]
fn what_is_nominated_is_used_and_a_better_one_at_once() {
    let now = start();
    let mut agent = agent();
    let nominate = |agent: &mut Agent, host, priority, now| {
        take(agent, at(host), &Check { priority, nominate: true, ..Check::default() }, now);
        agent.selected(now)
    };
    assert_eq!(nominate(&mut agent, 1, 100, now), Some(at(1)));
    assert_eq!(nominate(&mut agent, 2, 50, now), Some(at(1)), "of two the better one");
    assert_eq!(nominate(&mut agent, 3, 200, now), Some(at(3)));
    let later = now + Duration::from_secs(6);
    assert_eq!(nominate(&mut agent, 2, 50, later), Some(at(2)), "the better one has been left");
}

#[test]
fn the_path_that_media_comes_by_is_the_one_in_use() {
    let now = start();
    let mut agent = agent();
    for host in [1, 2] {
        let priority = 300 - u32::from(host);
        take(&mut agent, at(host), &Check { priority, nominate: true, ..Check::default() }, now);
    }
    take(&mut agent, at(3), &Check::default(), now);
    agent.heard(at(2), now);
    assert_eq!(agent.selected(now), Some(at(2)));
    agent.heard(at(3), now);
    assert_eq!(agent.selected(now), Some(at(2)), "not nominated");
    agent.heard(at(9), now);
    assert_eq!(agent.selected(now), Some(at(2)), "never proven");
}

#[test]
fn consent_ends_when_checks_stop() {
    let now = start();
    let mut agent = agent();
    let check = Check { nominate: true, ..Check::default() };
    take(&mut agent, at(1), &check, now);
    let almost = now + CONSENT - Duration::from_millis(1);
    assert_eq!(agent.selected(almost), Some(at(1)));
    assert_eq!(agent.selected(now + CONSENT), None);
    assert!(!agent.knows(at(1), now + CONSENT));
    take(&mut agent, at(1), &check, almost);
    assert_eq!(agent.selected(now + CONSENT), Some(at(1)), "asked again in time");
}

#[test]
fn a_peer_with_endless_addresses_costs_no_more_memory_and_keeps_the_one_in_use() {
    let mut now = start();
    let mut agent = agent();
    take(&mut agent, at(0), &Check { nominate: true, ..Check::default() }, now);
    for host in 1..=255 {
        now += Duration::from_millis(1);
        take(&mut agent, at(host), &Check::default(), now);
    }
    assert_eq!(agent.paths(now).count(), MAX_PATHS);
    assert_eq!(agent.selected(now), Some(at(0)));
    assert!(agent.knows(at(255), now));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut agent = agent();
        prop_assert_eq!(agent.receive(at(1), &bytes, start(), &mut [0; ANSWER_ROOM]), None);
    }

    #[test]
    fn a_check_with_changed_bytes_proves_nobody(place in 0_usize..120, change in 1_u8..) {
        let mut bytes = Check { nominate: true, ..Check::default() }.bytes();
        let place = place % bytes.len();
        bytes[place] ^= change;
        let mut agent = agent();
        prop_assert_eq!(agent.receive(at(1), &bytes, start(), &mut [0; ANSWER_ROOM]), None);
    }
}
