//! Whose call it is, and what of it is shown and kept. How carriers write it is tested where it is read.

use vorzimmer_call::ExchangeConfig;
use vorzimmer_sip::identity::NumberPlan;
use vorzimmer_sip::ua::FromParty;
use vorzimmer_types::TrunkId;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::{Caller, Event};

use crate::stage::{Stage, alaw, known, request, trunk};
use crate::world::{CALLER, DID, FakeWorld};

fn world() -> FakeWorld {
    FakeWorld::new(Policy::Off).team(Together, &[("anna", 20)]).without_greeting()
}

/// The call that this request makes, while it rings.
fn ringing(number: &str, headers: &[(&str, &str)]) -> Stage {
    let mut request = request(number);
    for (name, value) in headers {
        request.headers.push(rsip::Header::Other((*name).into(), (*value).into()));
    }
    let mut stage = Stage::new(world());
    stage.invite_with(request, Some(&alaw()), trunk());
    stage.until(1.0);
    stage
}

#[test]
fn the_receptionist_sees_for_whom_she_answers_and_who_rings() {
    let mut stage = ringing(DID, &[]);
    assert_eq!(stage.shown["anna-desk"], known("Kanzlei Beispiel", CALLER));
    let Caller::Known { address, .. } = stage.record().caller else { panic!("known") };
    assert_eq!(address.expose(), CALLER);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_withheld_number_is_neither_shown_nor_kept() {
    let mut stage = ringing(DID, &[("Privacy", "id")]);
    assert_eq!(stage.shown["anna-desk"], FromParty::Anonymous);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    assert_eq!(stage.record().caller, Caller::Withheld);
    let kept = serde_json::to_string(&stage.events).expect("events are JSON");
    assert!(!kept.contains(CALLER.trim_start_matches('+')), "{kept}");
}

#[test]
fn the_forwarding_chain_is_kept_whole() {
    let mut stage = ringing(
        DID,
        &[
            ("Diversion", "<sip:+493022222222@pbx.example>;reason=no-answer;counter=2"),
            ("Diversion", "<sip:+493033333333@pbx.example>;reason=unconditional"),
        ],
    );
    stage.hangs_up("caller");
    stage.expect_nothing_left();
    let chain = stage.record().chain;
    let hops: Vec<(&str, &str, u32)> = chain
        .iter()
        .map(|hop| {
            (hop.from.as_ref().map_or("", |from| from.expose().as_str()), hop.reason.as_str(), hop.count)
        })
        .collect();
    assert_eq!(hops, [("+493022222222", "no-answer", 2), ("+493033333333", "unconditional", 1)]);
}

#[test]
fn a_call_that_goes_round_is_cut() {
    let again = format!("<sip:{DID}@pbx.example>;reason=unconditional");
    let loops: [(&str, &[(&str, &str)]); 2] = [
        ("482 to caller", &[("Diversion", &again), ("Diversion", &again)]),
        ("482 to caller", &[("Diversion", "<sip:+493022222222@pbx.example>;counter=50")]),
    ];
    for (answer, headers) in loops {
        let mut stage = ringing(DID, headers);
        stage.expect(&format!("0.0 {answer}"));
        assert_eq!(stage.count(|event| matches!(event, Event::Refused { status: 482, .. })), 1);
        stage.expect_nothing_left();
    }
}

#[test]
fn numbers_are_read_as_the_trunk_writes_them() {
    let mut stage = ringing("03023125001", &[]);
    assert!(stage.seen().contains("ring anna-desk"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();

    let british = NumberPlan::new("44", "00", "0", None).expect("a plan");
    let trunk_plans = [(TrunkId::from_bytes([9; 16]), british)].into();
    let mut stage = Stage::with_config(world(), ExchangeConfig { trunk_plans, ..ExchangeConfig::default() });
    stage.invite_with(request("03023125001"), Some(&alaw()), trunk());
    stage.expect("0.0 404 to caller");
    stage.expect_nothing_left();
}
