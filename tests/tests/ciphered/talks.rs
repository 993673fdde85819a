//! Telephones whose media is encrypted, as callers and as receptionists: asked, connected and recorded like any other.

use std::time::Duration;

use crate::house::{ASK, ASKED, House, Kind, SECRET, SOON, hear, press_until_connected, protected, talk};

/// A caller is asked, says yes, talks, is put on hold and taken back, and is recorded.
fn talk_of(caller: Kind, anna: (Kind, &str), security: [&str; 2]) {
    let house = House::open();
    let mut anna = house.phone("anna", anna.0, anna.1);
    let mut caller = house.phone("caller", caller, "udp");
    house.ring(&mut caller, ASK);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(3);
    anna.hold(true);
    talk(1);
    anna.hold(false);
    talk(3);
    caller.hangup();
    anna.closed(SOON);
    let shown = house.server.call_record("the recording to end", |record| {
        !record["recordings"][0]["result"].is_null() && !record["ended_at"].is_null()
    });
    assert_eq!(protected(&shown), security, "{shown}");
    hear(&house.export(&shown), 2_500);
}

#[test]
fn keys_in_the_description_and_a_handshake() {
    talk_of(Kind::Debian("srtp"), (Kind::Baresip("dtls"), "udp"), ["sdes in clear", "dtls"]);
}

#[test]
fn a_handshake_and_keys_that_are_insisted_on_over_tls() {
    talk_of(Kind::Baresip("dtls"), (Kind::Debian("srtp-mand"), "tls"), ["dtls", "sdes"]);
}

#[test]
fn keys_that_pjsip_insists_on_at_both_ends() {
    talk_of(Kind::Pjsua, (Kind::Pjsua, "udp"), ["sdes in clear", "sdes in clear"]);
}

/// Each end changes its keys while they talk, and neither the other nor the recording misses more than a moment.
#[test]
fn keys_that_change_in_mid_call() {
    let house = House::open();
    let mut anna = house.phone("anna", Kind::Pjsua, "udp");
    let mut caller = house.phone("caller", Kind::Pjsua, "udp");
    house.ring(&mut caller, ASK);
    press_until_connected(&mut caller, &mut anna, "1");
    talk(2);
    caller.rekey();
    talk(2);
    anna.rekey();
    talk(3);
    caller.hangup();
    anna.closed(SOON);
    let shown = house.server.call_record("the recording to end", |record| {
        !record["recordings"][0]["result"].is_null() && !record["ended_at"].is_null()
    });
    assert_eq!(protected(&shown), ["sdes in clear", "sdes in clear"], "{shown}");
    hear(&house.export(&shown), 1_500);
}

#[test]
fn a_caller_in_the_clear_and_a_receptionist_who_takes_what_is_offered() {
    talk_of(Kind::Debian(""), (Kind::Debian("srtp"), "udp"), ["plain", "sdes in clear"]);
}

#[test]
fn under_secrecy_only_an_encrypted_telephone_takes_the_call() {
    let house = House::open();
    let mut caller = house.phone("caller", Kind::Debian(""), "udp");
    let mut clear = house.phone("anna", Kind::Debian(""), "tls");
    house.ring(&mut caller, SECRET);
    caller.closed(ASKED);
    let shown = house.server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "unanswered", "{shown}");
    assert_eq!(shown["record"]["legs"][0]["outcome"]["status"], 488, "{shown}");
    assert!(
        !clear.is_established(Duration::from_secs(1)) || shown["record"]["legs"][0]["connected_at"].is_null()
    );
    drop(clear);

    let mut anna = house.phone("anna", Kind::Baresip("dtls"), "udp");
    house.ring(&mut caller, SECRET);
    if !anna.is_established(ASKED) {
        anna.fail("the receptionist was never connected");
    }
    talk(2);
    caller.hangup();
    anna.closed(SOON);
    let shown = house.server.call_record("the second call to end", |record| {
        record["disposition"] == "handled" && !record["ended_at"].is_null()
    });
    assert_eq!(protected(&shown), ["plain", "dtls"], "{shown}");
}

#[test]
fn a_trunk_that_has_to_encrypt_is_refused_without_and_taken_with_a_handshake() {
    let policy = ("VORZIMMER_TRUNKS__LOOPBACK__SRTP".to_owned(), "require".to_owned());
    let house = House::open_with(vec![policy]);
    let mut clear = house.phone("caller", Kind::Debian(""), "udp");
    house.dial(&mut clear, ASK);
    clear.closed(SOON);
    let shown = house.server.call_record("the call to be refused", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "refused", "{shown}");
    drop(clear);
    let mut caller = house.phone("caller", Kind::Baresip("dtls"), "udp");
    house.ring(&mut caller, ASK);
    talk(1);
    caller.hangup();
    let shown = house.server.call_record("the second call to end", |record| {
        record["disposition"] != "refused" && !record["ended_at"].is_null()
    });
    assert_eq!(shown["record"]["caller_security"]["by"], "dtls", "{shown}");
    assert!(!shown["record"]["caller_security"]["suite"].is_null(), "the handshake was over: {shown}");
}
