//! By which trunks calls go out, and what happens when one of them cannot.

use vorzimmer_call::{ExchangeConfig, Routes};
use vorzimmer_sip::carrier::Pulse::{Degraded, Down, Unknown, Up};
use vorzimmer_types::TrunkId;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;

use crate::stage::{Stage, alaw};
use crate::world::{BOSS, BOSS_AT_HOME, FakeWorld};

const FIRST: TrunkId = TrunkId::from_bytes([1; 16]);
const SECOND: TrunkId = TrunkId::from_bytes([2; 16]);
const THIRD: TrunkId = TrunkId::from_bytes([3; 16]);

/// Anna has asked for the boss by key; what came of it from 20.0 on.
fn asking(trunks: &[(TrunkId, vorzimmer_sip::carrier::Pulse)], routes: &[(&str, &[TrunkId])]) -> Stage {
    let world = FakeWorld::new(Policy::Off).team(Together, &[("anna", 20)]).without_greeting().trunks(trunks);
    let by_prefix = routes.iter().map(|(prefix, trunks)| ((*prefix).to_owned(), trunks.to_vec()));
    let routes = Routes { all: vec![FIRST, SECOND, THIRD], by_prefix: by_prefix.collect() };
    let mut stage = Stage::with_config(world, ExchangeConfig { routes, ..ExchangeConfig::default() });
    stage.invite(Some(&alaw()));
    stage.until(10.0);
    stage.answers("anna-desk");
    stage.until(20.0);
    stage.seen();
    stage.presses("anna-desk", "*121#");
    stage.until(21.0);
    stage
}

/// The dials among what was seen, without the target.
fn dials(stage: &mut Stage) -> Vec<String> {
    let seen = stage.seen();
    let dial = |line: &str| {
        let (_, what) = line.trim().split_once(' ')?;
        what.strip_prefix("dial ").map(|to| to.replace(BOSS_AT_HOME, "home").replace(BOSS, "boss"))
    };
    seen.lines().filter_map(dial).collect()
}

#[test]
fn the_next_trunk_is_tried_for_what_is_the_first_ones_fault_alone() {
    for (status, next) in [
        (503, "boss by trunk 2"),
        (408, "boss by trunk 2"),
        (407, "boss by trunk 2"),
        (486, "home by trunk 1"),
        (404, "home by trunk 1"),
        (302, "home by trunk 1"),
    ] {
        let mut stage = asking(&[(FIRST, Up), (SECOND, Up)], &[]);
        assert_eq!(dials(&mut stage), ["boss by trunk 1"]);
        stage.refuses(BOSS, status);
        stage.until(22.0);
        assert_eq!(dials(&mut stage), [next], "after {status}");
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
}

#[test]
fn a_time_out_after_it_has_rung_is_nobodys_fault() {
    let mut stage = asking(&[(FIRST, Up), (SECOND, Up)], &[]);
    dials(&mut stage);
    stage.rings(BOSS);
    stage.refuses(BOSS, 408);
    stage.until(22.0);
    assert_eq!(dials(&mut stage), ["home by trunk 1"]);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn every_trunk_is_tried_for_every_way_and_then_the_caller_comes_back() {
    let mut stage = asking(&[(FIRST, Up), (SECOND, Up)], &[]);
    let mut seen = dials(&mut stage);
    for to in [BOSS, BOSS, BOSS_AT_HOME] {
        stage.refuses(to, 503);
        stage.until(22.0);
        seen.extend(dials(&mut stage));
    }
    assert_eq!(seen, ["boss by trunk 1", "boss by trunk 2", "home by trunk 1", "home by trunk 2"]);
    stage.refuses(BOSS_AT_HOME, 503);
    stage.until(23.0);
    assert!(stage.seen().contains("bridge caller anna-desk"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn who_is_down_comes_last_and_who_takes_no_calls_not_at_all() {
    for (trunks, first) in [
        (vec![(FIRST, Down), (SECOND, Degraded)], "boss by trunk 2"),
        (vec![(FIRST, Down), (SECOND, Unknown)], "boss by trunk 2"),
        (vec![(FIRST, Down)], "boss by trunk 1"),
        (vec![(THIRD, Up)], "boss by trunk 3"),
    ] {
        let mut stage = asking(&trunks, &[]);
        assert_eq!(dials(&mut stage), [first], "{trunks:?}");
        stage.hangs_up("caller");
        stage.expect_nothing_left();
    }
    let mut stage = asking(&[], &[]);
    let seen = stage.seen();
    assert!(seen.contains("anna-desk hears transfer-failed") && !seen.contains("dial"), "{seen}");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn the_operators_routes_are_taken() {
    let routes: &[(&str, &[TrunkId])] = &[("+", &[FIRST]), ("+49", &[THIRD, SECOND]), ("sip:", &[SECOND])];
    let mut stage = asking(&[(FIRST, Up), (SECOND, Up), (THIRD, Up)], routes);
    let mut seen = dials(&mut stage);
    for to in [BOSS, BOSS] {
        stage.refuses(to, 500);
        stage.until(22.0);
        seen.extend(dials(&mut stage));
    }
    assert_eq!(seen, ["boss by trunk 3", "boss by trunk 2", "home by trunk 2"]);
    stage.answers(BOSS_AT_HOME);
    stage.until(25.0);
    let record = stage.record();
    let by: Vec<_> = record.legs.iter().map(|leg| leg.trunk.as_deref()).collect();
    assert_eq!(by, [None, Some("trunk 3"), Some("trunk 2"), Some("trunk 2")], "and it stands in the record");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
