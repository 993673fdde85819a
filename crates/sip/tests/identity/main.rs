//! Whose call it is, over the shapes in which carriers and PBXs really send forwarded calls.
//!
//! All numbers are fictional: ranges that the Bundesnetzagentur and Ofcom reserve for films, and area codes that nobody
//! has in Switzerland and Austria.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod shapes;

use rsip::Request;
use vorzimmer_sip::identity::{
    Caller, DidSource, ForwardReason, HopSource, Identity, IdentityError, Limits, LoopSign, NumberPlan,
    Party, identify,
};
use vorzimmer_sip::wire::{Framing, Parsed, Untrusted, parse};

/// An INVITE with this Request-URI, From, To and further header lines.
fn invite(uri: &str, from: &str, to: &str, more: &[&str]) -> Request {
    let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
    let text = format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\nMax-Forwards: 68\r\n\
         From: {from};tag=1\r\nTo: {to}\r\nCall-ID: a@192.0.2.1\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:192.0.2.1>\r\n{more}Content-Length: 0\r\n\r\n"
    );
    match parse(Untrusted::new(text.as_bytes()), Framing::Datagram) {
        Ok(Parsed::Request(request)) => request,
        other => panic!("{text} → {other:?}"),
    }
}

/// What a row expects of the caller.
enum Who {
    Number(&'static str),
    Named(&'static str, &'static str),
    Address(&'static str),
    Withheld,
    Unknown,
}

/// What a row expects of one hop: number, address or `-` for none; why; counter.
type Step = (&'static str, Option<ForwardReason>, u32);

struct Row {
    shape: &'static str,
    plan: NumberPlan,
    request: Request,
    did: (&'static str, DidSource),
    who: Who,
    chain: Vec<Step>,
}

fn shown(party: &Party) -> &str {
    match party {
        Party::Number(number) => number.as_str(),
        Party::Address(address) => address,
    }
}

fn check(row: &Row) -> Identity {
    let found = identify(&row.request, true, &row.plan, Limits::default())
        .unwrap_or_else(|e| panic!("{}: {e}", row.shape));
    assert_eq!((found.did.as_str(), found.did_from), row.did, "{}", row.shape);
    match (&row.who, &found.caller) {
        (Who::Withheld, Caller::Withheld) | (Who::Unknown, Caller::Unknown) => {}
        (Who::Number(number) | Who::Address(number), Caller::Known { party, display, .. }) => {
            assert_eq!((shown(party.expose()), display.as_ref()), (*number, None), "{}", row.shape);
        }
        (Who::Named(number, name), Caller::Known { party, display, .. }) => {
            let display = display.as_ref().map(|name| name.expose().as_str());
            assert_eq!((shown(party.expose()), display), (*number, Some(*name)), "{}", row.shape);
        }
        (_, other) => panic!("{}: {other:?}", row.shape),
    }
    let chain: Vec<_> = found
        .chain
        .iter()
        .map(|hop| (hop.party.as_ref().map_or("-", |party| shown(party.expose())), hop.reason, hop.counter))
        .collect();
    assert_eq!(chain, row.chain, "{}", row.shape);
    assert_eq!(found.unreadable_hops, 0, "{}", row.shape);
    found
}

#[test]
fn every_carrier_shape_is_understood() {
    let rows = shapes::all();
    assert!(rows.len() >= 24);
    for row in &rows {
        check(row);
    }
}

#[test]
fn a_withheld_number_is_nowhere_in_the_result() {
    for row in shapes::all() {
        let found = check(&row);
        let parties = found.chain.iter().filter_map(|hop| hop.party.as_ref());
        for party in parties {
            let hidden =
                matches!(found.caller, Caller::Withheld) && shown(party.expose()) == "+4940669690077";
            assert!(!hidden, "{}", row.shape);
        }
        let printed = format!("{found:?}");
        assert!(!printed.contains("+49") && !printed.contains("Muster"), "{}: {printed}", row.shape);
        assert!(found.chain.iter().all(|hop| !(hop.private && hop.party.is_some())), "{}", row.shape);
    }
}

#[test]
fn nobody_but_a_trunk_is_believed() {
    for row in shapes::all() {
        let found = identify(&row.request, false, &row.plan, Limits::default()).unwrap();
        assert_eq!(found.caller, Caller::Unknown);
        assert!(found.chain.is_empty());
    }
}

#[test]
fn no_number_is_no_call() {
    let request = invite("sip:s@192.0.2.10", "<sip:+4922147100011@h>", "<sip:trunk@h>", &[]);
    let error = identify(&request, true, &NumberPlan::germany(), Limits::default()).unwrap_err();
    assert_eq!((error, error.status()), (IdentityError::NoNumber, rsip::StatusCode::NotFound));
}

#[test]
fn a_call_that_goes_round_is_cut() {
    let looped = |more: &[&str]| {
        let request = invite("sip:+493023125100@h", "<sip:+4922147100011@h>", "<sip:+493023125100@h>", more);
        identify(&request, true, &NumberPlan::germany(), Limits::default()).map(|found| found.chain.len())
    };
    let sign = |sign| Err(IdentityError::ForwardingLoop(sign));
    let own = "Diversion: <sip:+493023125100@h>;reason=unconditional";
    let other = "Diversion: <sip:+4969900090001@h>;reason=unconditional";
    assert_eq!(looped(&[own, other]), Ok(2), "once may be a transfer back");
    assert_eq!(looped(&[own, other, own, other]), sign(LoopSign::Returned(2)));
    assert_eq!(looped(&["Diversion: <sip:+4969900090001@h>;counter=10"]), Ok(1));
    assert_eq!(looped(&["Diversion: <sip:+4969900090001@h>;counter=11"]), sign(LoopSign::Forwardings(11)));
    assert_eq!(
        looped(&["Diversion: <sip:+4969900090001@h>;counter=4294967295, <sip:a@h>;counter=9"]),
        sign(LoopSign::Forwardings(u32::MAX))
    );
    let history = "History-Info: <sip:+493023125100@h>;index=1, <sip:+4969900090001@h>;index=1.1, \
        <sip:+493023125100@h>;index=1.1.1, <sip:+4969900090001@h>;index=1.1.1.1, <sip:+493023125100@h>;index=1.1.1.1.1";
    assert_eq!(looped(&[history]), sign(LoopSign::Returned(2)));
}

#[test]
fn no_hop_left_is_a_loop() {
    let mut request = invite("sip:+493023125100@h", "<sip:+4922147100011@h>", "<sip:+493023125100@h>", &[]);
    vorzimmer_sip::header::set(&mut request.headers, vorzimmer_sip::wire::header("Max-Forwards", "0"));
    let error = identify(&request, true, &NumberPlan::germany(), Limits::default()).unwrap_err();
    assert_eq!(error, IdentityError::ForwardingLoop(LoopSign::MaxForwards));
    assert_eq!(error.status(), rsip::StatusCode::TooManyHops);
}

#[test]
fn unreadable_entries_are_counted_not_dropped_in_silence() {
    let request = invite(
        "sip:+493023125100@h",
        "<sip:+4922147100011@h>",
        "<sip:+493023125100@h>",
        &[
            "Diversion: \"open <sip:+4969900090001@h>",
            "Diversion: <sip:+4969900090001@h>",
            "History-Info: <>;index=1",
        ],
    );
    let found = identify(&request, true, &NumberPlan::germany(), Limits::default()).unwrap();
    assert_eq!((found.chain.len(), found.unreadable_hops), (1, 2));
    assert_eq!(found.chain[0].source, HopSource::Diversion);
}
