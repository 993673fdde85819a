//! Calls that are not taken, and what they are told.

use vorzimmer_call::{ExchangeConfig, Input};
use vorzimmer_sip::ua::{Event as SipEvent, Peer, SessionId};
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::Event;
use vorzimmer_types::record::Disposition;

use crate::stage::{Stage, alaw, request, sdp_of, trunk};
use crate::world::{DID, FakeWorld, flow, receptionist};

fn stage() -> Stage {
    Stage::new(FakeWorld::new(Policy::AskBeforeConnect).team(Together, &[("anna", 20)]))
}

fn refused(stage: &Stage) -> Option<u16> {
    stage.events.iter().find_map(|record| match record.event {
        Event::Refused { status, .. } => Some(status),
        _ => None,
    })
}

#[test]
fn a_number_that_is_nobodys() {
    for number in ["+493099999999", "nonsense", ""] {
        let mut stage = stage();
        stage.invite_with(request(number), Some(&alaw()), trunk());
        stage.expect("0.0 404 to caller");
        stage.expect_nothing_left();
        assert_eq!(refused(&stage), Some(404));
        assert_eq!(stage.events.len(), 1, "nothing else of it is kept");
    }
}

#[test]
fn a_receptionists_phone_cannot_place_calls() {
    let mut stage = stage();
    stage.invite_with(request(DID), Some(&alaw()), Peer::Receptionist(receptionist("anna")));
    stage.expect("0.0 403 to caller");
    stage.expect_nothing_left();
}

#[test]
fn media_that_cannot_be_taken_costs_no_leg() {
    let cases = [
        (sdp_of("caller", &[18], "sendrecv"), 488),
        (alaw().replace("RTP/AVP", "RTP/SAVP"), 488),
        (alaw().replace("IP4 192.0.2.9\r\nt=", "IP6 2001:db8::9\r\nt="), 488),
        ("nonsense".into(), 400),
    ];
    for (offer, status) in cases {
        let mut stage = stage();
        stage.invite(Some(&offer));
        stage.expect(&format!("0.0 {status} to caller"));
        stage.expect_nothing_left();
        assert_eq!(refused(&stage), Some(status));
        let record = stage.record();
        assert_eq!(record.disposition, Disposition::Refused);
        assert!(record.customer.is_some() && record.recordings.is_empty());
    }
}

#[test]
fn more_calls_than_may_be() {
    let config = ExchangeConfig { max_calls: 1, ..ExchangeConfig::default() };
    let mut stage = Stage::with_config(FakeWorld::new(Policy::Off).team(Together, &[("anna", 20)]), config);
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    stage.seen();
    let (request, sdp) = (Box::new(request(DID)), Some(bytes::Bytes::from(alaw())));
    let second = SipEvent::Invited {
        session: SessionId(55),
        peer: trunk(),
        request,
        sdp,
        replaces: None,
        flow: flow(),
    };
    stage.give(Input::Sip(second));
    stage.expect("1.0 503 to somebody, retry after 30 s");
    stage.hangs_up("caller");
    stage.until(5.0);
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    assert!(stage.seen().contains("200 to caller"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn too_much_to_do_for_further_calls() {
    let mut stage = stage();
    stage.invite(Some(&alaw()));
    stage.give(Input::Overloaded(true));
    stage.until(1.0);
    assert!(stage.seen().contains("200 to caller"), "a call that is there already goes on");
    let (request, sdp) = (Box::new(request(DID)), Some(bytes::Bytes::from(alaw())));
    let further = SipEvent::Invited {
        session: SessionId(55),
        peer: trunk(),
        request,
        sdp,
        replaces: None,
        flow: flow(),
    };
    stage.give(Input::Sip(further));
    stage.expect("1.0 503 to somebody, retry after 30 s");
    stage.hangs_up("caller");
    stage.until(5.0);
    stage.give(Input::Overloaded(false));
    stage.invite(Some(&alaw()));
    stage.until(6.0);
    assert!(stage.seen().contains("200 to caller"));
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn no_port_is_free() {
    let mut stage = stage();
    stage.quirks.no_ports = true;
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    stage.expect("0.0 180 to caller\n0.0 503 to caller, retry after 30 s");
    stage.expect_nothing_left();
    assert_eq!(refused(&stage), Some(503));
}

#[test]
fn a_media_worker_that_does_not_answer() {
    let mut stage = stage();
    stage.quirks.legs_do_not_open = true;
    stage.invite(Some(&alaw()));
    stage.until(10.0);
    stage.expect("0.0 180 to caller\n5.0 503 to caller, retry after 30 s");
    stage.expect_nothing_left();
}

#[test]
fn the_same_session_twice_is_one_call() {
    let mut stage = stage();
    stage.invite(Some(&alaw()));
    let session = stage.session("caller");
    let (request, sdp) = (Box::new(request(DID)), Some(bytes::Bytes::from(alaw())));
    stage.give(Input::Sip(SipEvent::Invited {
        session,
        peer: trunk(),
        request,
        sdp,
        replaces: None,
        flow: flow(),
    }));
    assert_eq!(stage.exchange.running(), 1);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
