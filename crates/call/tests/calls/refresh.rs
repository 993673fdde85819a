//! Sessions that are kept alive (RFC 4028) by re-INVITE, and those that expire.

use vorzimmer_sip::ua::Ending;
use vorzimmer_types::consent::Policy;
use vorzimmer_types::directory::RingOrder::Together;
use vorzimmer_types::event::EndedBy;

use crate::stage::{Stage, alaw, sdp_of};
use crate::world::FakeWorld;

/// Two who talk since 1.0, looked at from 5.0 on.
fn talking() -> Stage {
    let world = FakeWorld::new(Policy::Off).team(Together, &[("anna", 20)]).without_greeting();
    let mut stage = Stage::new(world);
    stage.invite(Some(&alaw()));
    stage.until(1.0);
    stage.answers("anna-desk");
    stage.until(5.0);
    stage.seen();
    stage
}

fn said(sdp: &[u8]) -> String {
    String::from_utf8(sdp.to_vec()).expect("text")
}

#[test]
fn a_refresh_says_to_the_letter_what_was_said_last() {
    let mut stage = talking();
    let answer = stage.answers["caller"].clone();
    stage.is_to_be_refreshed("caller");
    stage.expect("5.0 re-invite caller");
    assert_eq!(said(&stage.offers["caller"]), said(&answer), "the same version, the same words");
    stage.ends_our_offer("caller", 200, Some(&alaw()));
    let offer = stage.offers["anna-desk"].clone();
    stage.is_to_be_refreshed("anna-desk");
    assert_eq!(said(&stage.offers["anna-desk"]), said(&offer));
    stage.ends_our_offer("anna-desk", 200, Some(&sdp_of("anna-desk", &[8, 0], "sendrecv")));
    stage.expect("5.0 re-invite anna-desk");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_refresh_while_she_holds_leaves_her_holding() {
    let mut stage = talking();
    stage.holds("anna-desk");
    stage.seen();
    stage.is_to_be_refreshed("anna-desk");
    assert!(said(&stage.offers["anna-desk"]).contains("a=recvonly"));
    stage.ends_our_offer("anna-desk", 200, Some(&sdp_of("anna-desk", &[8], "sendonly")));
    stage.expect("5.0 re-invite anna-desk");
    stage.resumes("anna-desk");
    stage.expect("5.0 200 to anna-desk\n5.0 caller hears the line");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_refresh_that_answers_with_hold_is_hold() {
    let mut stage = talking();
    stage.is_to_be_refreshed("anna-desk");
    stage.ends_our_offer("anna-desk", 200, Some(&sdp_of("anna-desk", &[8], "sendonly")));
    stage.expect("5.0 re-invite anna-desk\n5.0 caller hears the hold tone");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn a_refused_refresh_leaves_everything_as_it_was_and_the_next_is_made() {
    let mut stage = talking();
    let connected = stage.connected["caller"].clone();
    for status in [488, 491, 500, 503] {
        stage.is_to_be_refreshed("caller");
        stage.is_to_be_refreshed("caller");
        stage.expect("5.0 re-invite caller");
        stage.ends_our_offer("caller", status, None);
        stage.expect("");
    }
    assert_eq!(stage.connected["caller"], connected);
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}

#[test]
fn an_expired_session_ends_the_call_and_the_history_says_why() {
    let mut stage = talking();
    stage.session_ends("caller", Ending::Expired);
    stage.expect("5.0 unbridge\n5.0 bye anna-desk (Q.850 16)");
    stage.expect_nothing_left();
    let record = stage.record();
    assert_eq!(record.ended_by, Some(EndedBy::Vorzimmer));

    let mut stage = talking();
    stage.session_ends("anna-desk", Ending::Expired);
    stage.expect("5.0 unbridge\n5.0 caller hears goodbye (De)");
    stage.until(20.0);
    stage.expect_nothing_left();
}

#[test]
fn the_second_call_of_her_phone_is_refreshed_too() {
    let mut stage = crate::transfer::second_call();
    stage.answers("ben-desk");
    stage.until(30.0);
    stage.seen();
    let answer = stage.described["anna-2"].clone();
    stage.is_to_be_refreshed("anna-2");
    stage.expect("30.0 re-invite anna-2");
    assert_eq!(said(&stage.offers["anna-2"]), said(&answer), "the same version, the same words");
    stage.ends_our_offer("anna-2", 200, Some(&sdp_of("anna-2", &[8, 0], "sendrecv")));
    stage.is_to_be_refreshed("anna-2");
    stage.ends_our_offer("anna-2", 488, None);
    stage.is_to_be_refreshed("anna-2");
    stage.expect("30.0 re-invite anna-2\n30.0 re-invite anna-2");
    stage.hangs_up("caller");
    stage.expect_nothing_left();
}
