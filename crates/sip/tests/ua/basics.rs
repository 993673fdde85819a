//! The main road: a call from a trunk, a device that is rung, over datagrams and over a stream.

use bytes::Bytes;
use vorzimmer_sip::ua::{Command, Ending, Event, Peer, Reason};

use crate::world::{ANNA, Over, PHONE, SDP, Script, TRUNK, World};

#[test]
fn a_trunk_calls_and_hangs_up() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    let trying = world.only();
    assert_eq!((trying.status(), trying.to_tag()), (Some(100), String::new()));
    let Some(Event::Invited { peer: Peer::Trunk { name, .. }, sdp, .. }) = world.happened().pop() else {
        panic!("no INVITE")
    };
    assert_eq!((name.as_str(), sdp.as_deref()), ("by address", Some(SDP.as_bytes())));
    world.command(Command::Progress { session, status: 180, sdp: None });
    let ringing = world.only();
    assert_eq!(ringing.status(), Some(180));
    call.to_tag = ringing.to_tag();
    assert!(!call.to_tag.is_empty() && ringing.header("Contact") == Some("<sip:198.51.100.1:5060>"));
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    let ok = world.only();
    assert_eq!((ok.status(), ok.body(), ok.to_tag()), (Some(200), "answer", call.to_tag.clone()));
    world.datagram(TRUNK, &call.ack());
    assert!(matches!(world.happened()[..], [Event::Acknowledged { sdp: None, .. }]));
    let bye = call.next("BYE", "", "");
    world.datagram(TRUNK, &bye);
    assert_eq!(world.only().status(), Some(200));
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::PeerHungUp, .. }]));
    assert_eq!(world.ua.counters().sessions, 0);
}

#[test]
fn we_hang_up_on_a_trunk() {
    let mut world = World::new();
    let mut call = Script::new("c1");
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    call.to_tag = world.take().last().unwrap().to_tag();
    world.datagram(TRUNK, &call.ack());
    let reason = Reason { protocol: "Q.850", cause: 16, text: "normal".into(), warning: None };
    world.command(Command::Hangup { session, reason: Some(reason) });
    let bye = world.only();
    assert_eq!(bye.start(), "BYE sip:gw@192.0.2.10:5060 SIP/2.0");
    assert_eq!(bye.header("Reason"), Some("Q.850 ;cause=16 ;text=\"normal\""));
    assert_eq!((bye.author_tag(), bye.to_tag()), (call.to_tag.clone(), "f1".into()));
    world.happened();
    world.datagram(TRUNK, &bye.answer("200 OK", "", "", ""));
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::WeHungUp, .. }]));
}

#[test]
fn a_caller_gives_up() {
    let mut world = World::new();
    let call = Script::new("c1");
    world.invited(&call);
    world.take();
    world.happened();
    world.datagram(TRUNK, &call.cancel());
    assert_eq!(world.statuses(), [200, 487]);
    assert!(matches!(world.happened()[..], [Event::Cancelled { .. }]));
}

#[test]
fn a_device_registers_is_rung_answers_and_hangs_up() {
    let mut world = World::new();
    let (session, invite) = world.ring();
    assert!(invite.start().starts_with(&format!("INVITE sip:anna@{PHONE} SIP/2.0")));
    assert_eq!(invite.flow.remote, PHONE.parse().unwrap());
    assert_eq!(invite.header("Alert-Info"), Some("<urn:alert:source:external>"));
    assert!(
        invite
            .header("From")
            .unwrap()
            .starts_with(r#""Frau \"Müller\"" <sip:+4930123456@vorzimmer.example>"#)
    );
    world.happened();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", "", ""));
    assert!(matches!(world.happened()[..], [Event::Progressed { status: 180, .. }]));
    let contact = "Contact: <sip:anna@10.0.0.7;ob>\r\nContent-Type: application/sdp\r\n";
    world.datagram(PHONE, &invite.answer("200 OK", "d1", contact, "their answer"));
    let ack = world.only();
    assert_eq!(ack.start(), "ACK sip:anna@10.0.0.7;ob SIP/2.0");
    assert_eq!((ack.header("CSeq"), ack.to_tag().as_str()), (Some("1 ACK"), "d1"));
    assert_eq!(ack.flow.remote, PHONE.parse().unwrap(), "back over the flow, whatever Contact says");
    let [Event::Answered { session: answered, sdp }] = &world.happened()[..] else { panic!("no answer") };
    assert_eq!((*answered, sdp.as_deref()), (session, Some(&b"their answer"[..])));
    let bye = format!(
        "BYE sip:198.51.100.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bKb;rport\r\nFrom: {}\r\n\
         To: {}\r\nCall-ID: {}\r\nCSeq: 7 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        ack.header("To").unwrap(),
        ack.header("From").unwrap(),
        ack.header("Call-ID").unwrap()
    );
    world.datagram(PHONE, &bye);
    let ok = world.only();
    assert_eq!((ok.status(), ok.flow.remote), (Some(200), PHONE.parse().unwrap()));
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::PeerHungUp, .. }]));
}

#[test]
fn the_same_over_a_stream() {
    let mut world = World::new();
    world.open(5, PHONE);
    let ok = world.register(&Over::Tcp(5), "anna", "<sip:anna@10.0.0.7;transport=tcp>;expires=600", 1);
    assert_eq!(ok.status(), Some(200));
    assert_eq!(ok.header("Contact"), Some("<sip:anna@10.0.0.7;transport=tcp>;expires=600"));
    let (_, invite) = world.ring_again();
    assert_eq!(invite.flow.connection, world.ua.bindings(ANNA, world.now)[0].flow.connection);
    assert!(invite.header("Via").unwrap().starts_with("SIP/2.0/TCP 198.51.100.1:5060;"));
    assert_eq!(invite.header("Contact"), Some("<sip:198.51.100.1:5060;transport=tcp>"));
    let ok = invite.answer("200 OK", "d1", "Contact: <sip:anna@10.0.0.7>\r\n", "");
    let (first, rest) = ok.split_at(40);
    world.stream(5, first);
    assert!(world.take().is_empty());
    world.stream(5, rest);
    assert_eq!(world.only().method(), "ACK");
}

#[test]
fn nothing_that_is_shown_names_anybody() {
    let mut world = World::new();
    let mut shown = String::new();
    world.ring();
    let mut call = Script::new("secret-call-id");
    call.extra = "P-Asserted-Identity: \"Erika Mustermann\" <sip:+491701234567@carrier.example>\r\n".into();
    let session = world.invited(&call);
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    for event in world.happened() {
        shown.push_str(&format!("{event:?}\n"));
    }
    let flow = world.udp(TRUNK);
    let bytes = Bytes::from(call.invite());
    shown.push_str(&format!("{:?} {:?}", vorzimmer_sip::ua::Input::Datagram { flow, bytes }, world.ua));
    for secret in ["4917", "Erika", "anna", "203.0.113", "192.0.2.10", "secret-call-id", "v=0"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("Invited(SessionId(") && shown.contains("Ua(Counters"), "{shown}");
}
