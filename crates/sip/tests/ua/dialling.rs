//! Calls that we place through a trunk: RFC 3261 §22.2, RFC 3263 §4.3, RFC 3608 §6.1, SIPconnect 2.0 §11.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::carrier::{Calling, Outbound, Placing, Pulse};
use vorzimmer_sip::ua::{
    Command, Dialled, Ending, Event, Provider, SessionId, Transport, TrunkOrder, UaConfig,
};
use vorzimmer_types::{Pii, TrunkId};

use crate::carrier::{ASK, CARRIER, FIRST, SECOND, located, news, ok, provider, target, with};
use crate::world::{SDP, Sent, World, config};

/// A provider that wants no registration.
fn plain() -> Provider {
    Provider { register: None, ..provider() }
}

fn going_out(provider: Provider) -> UaConfig {
    let mut config = with(provider);
    config.trunks[0].outbound = Some(Outbound::default());
    config
}

fn out(provider: Provider) -> World {
    let mut world = World::with(going_out(provider));
    located(&mut world);
    world
}

fn dial_by(world: &mut World, trunk: TrunkId, number: &str) -> SessionId {
    let session = world.ua.next_session();
    let behalf = Pii::new("+493023125001".parse().unwrap());
    let call = Placing { target: Pii::new(number.into()), behalf, caller: Calling::Unknown };
    let sdp = Bytes::from_static(SDP.as_bytes());
    world.command(Command::Dial { session, to: Box::new(Dialled { trunk, call }), sdp });
    session
}

fn dial(world: &mut World) -> SessionId {
    dial_by(world, CARRIER, "+4989123456")
}

fn refused(world: &mut World) -> Option<u16> {
    world.happened().into_iter().find_map(|event| match event {
        Event::Refused { status, .. } => Some(status),
        _ => None,
    })
}

fn proxy(ask: &str) -> String {
    ask.replace("WWW", "Proxy")
}

fn contact(of: &str) -> String {
    format!("Contact: <sip:gw@{of}>\r\nContent-Type: application/sdp\r\n")
}

fn remote(sent: &Sent) -> String {
    sent.flow.remote.to_string()
}

#[test]
fn sipconnect_section_11_nothing_stands_in_it_that_is_not_needed() {
    let mut world = out(plain());
    dial(&mut world);
    let invite = world.only();
    assert_eq!(invite.start(), "INVITE sip:+4989123456@carrier.example;user=phone SIP/2.0");
    let names: Vec<&str> = invite.text.split("\r\n\r\n").next().unwrap().lines().skip(1).collect();
    let names: Vec<&str> =
        names.iter().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let expected = "Via Max-Forwards From To Call-ID CSeq Contact Allow Supported Session-Expires \
                    P-Asserted-Identity Content-Type Content-Length";
    assert_eq!(names.join(" "), expected, "no User-Agent, nothing of ours");
    let us = "<sip:+493023125001@carrier.example;user=phone>";
    assert_eq!(invite.header("P-Asserted-Identity"), Some(us));
    assert!(invite.header("From").unwrap().starts_with(us));
    assert_eq!(invite.header("To"), Some("<sip:+4989123456@carrier.example;user=phone>"));
    assert_eq!(invite.header("Supported"), Some("100rel, timer"));
    assert!(!invite.header("Allow").unwrap().contains("REFER"));
}

#[test]
fn section_22_2_a_challenged_call_is_proven_and_so_is_its_bye() {
    let mut world = out(plain());
    let session = dial(&mut world);
    let first = world.only();
    world.datagram(FIRST, &first.answer("407 Proxy Authentication Required", "c", &proxy(ASK), ""));
    let [ack, second] = &world.take()[..] else { panic!("an ACK and another INVITE") };
    assert_eq!((ack.method(), second.method()), ("ACK", "INVITE"));
    assert_eq!((first.header("CSeq"), second.header("CSeq")), (Some("1 INVITE"), Some("2 INVITE")));
    assert_eq!(first.header("Call-ID"), second.header("Call-ID"));
    let shown = second.header("Proxy-Authorization").unwrap();
    assert!(shown.contains("uri=\"sip:+4989123456@carrier.example;user=phone\""), "{shown}");
    world.datagram(FIRST, &second.answer("200 OK", "gw", &contact(FIRST), SDP));
    let ack = world.only();
    assert_eq!(ack.header("Proxy-Authorization"), Some(shown), "§13.2.2.4");
    assert!(world.happened().iter().any(|event| matches!(event, Event::Answered { .. })));
    world.command(Command::Hangup { session, reason: None });
    let bye = world.only();
    assert!(bye.header("Proxy-Authorization").is_some_and(|shown| shown.contains("nc=00000002")));
    world.datagram(FIRST, &bye.answer("200 OK", "gw", "", ""));
    assert!(matches!(world.happened()[..], [Event::Ended { why: Ending::WeHungUp, .. }]));
}

#[test]
fn section_22_2_a_wrong_password_ends_the_call_and_not_the_account() {
    let mut world = out(plain());
    dial(&mut world);
    let first = world.only();
    world.datagram(FIRST, &first.answer("407 Proxy Authentication Required", "c", &proxy(ASK), ""));
    let second = world.take().pop().unwrap();
    let again = proxy(ASK).replace("n1", "n2");
    world.datagram(FIRST, &second.answer("407 Proxy Authentication Required", "c", &again, ""));
    assert_eq!(world.only().method(), "ACK");
    assert_eq!(refused(&mut world), Some(407));
}

#[test]
fn rfc3263_section_4_3_a_server_that_cannot_or_does_not_answer_is_left_for_the_next() {
    let mut world = out(plain());
    dial(&mut world);
    let first = world.only();
    assert_eq!(remote(&first), FIRST);
    world.datagram(FIRST, &first.answer("503 Service Unavailable", "c", "", ""));
    let second = world.take().pop().unwrap();
    assert_eq!((second.method(), remote(&second).as_str()), ("INVITE", SECOND));
    assert_ne!(first.branch(), second.branch());
    world.datagram(SECOND, &second.answer("503 Service Unavailable", "c", "", ""));
    assert_eq!(refused(&mut world), Some(503), "nobody is left");
    world.take();
    // Both failed lately: the first is tried all the same, and its silence is not waited out.
    dial(&mut world);
    assert_eq!(remote(&world.only()), FIRST);
    world.pass(Duration::from_secs(6));
    let moved = world.take().pop().unwrap();
    assert_eq!((moved.method(), remote(&moved).as_str()), ("INVITE", SECOND));
    world.datagram(SECOND, &moved.answer("100 Trying", "", "", ""));
    world.pass(Duration::from_secs(20));
    assert!(world.take().is_empty(), "who has said a word may take his time");
    world.datagram(SECOND, &moved.answer("486 Busy Here", "c", "", ""));
    assert_eq!(refused(&mut world), Some(486));
}

#[test]
fn rfc3261_section_21_5_4_a_server_that_names_a_time_is_left_alone_for_as_long() {
    let mut world = out(plain());
    dial(&mut world);
    let first = world.only();
    world.datagram(FIRST, &first.answer("503 Service Unavailable", "c", "Retry-After: 300\r\n", ""));
    for (passed, goes_to) in [(0, SECOND), (200, SECOND), (99, SECOND), (1, FIRST)] {
        world.pass(Duration::from_secs(passed));
        if passed > 0 {
            world.take();
            dial(&mut world);
        }
        let invite = world.take().pop().unwrap();
        assert_eq!((invite.method(), remote(&invite).as_str()), ("INVITE", goes_to), "{passed} s later");
        world.datagram(goes_to, &invite.answer("486 Busy Here", "c", "", ""));
        assert_eq!(refused(&mut world), Some(486));
    }
}

#[test]
fn a_call_that_was_given_up_is_not_placed_again() {
    let mut world = out(plain());
    let session = dial(&mut world);
    let first = world.only();
    world.command(Command::Cancel { session, reason: None });
    world.datagram(FIRST, &first.answer("503 Service Unavailable", "c", "", ""));
    assert_eq!(world.only().method(), "ACK");
    assert_eq!(refused(&mut world), Some(503));
}

#[test]
fn rfc3608_section_6_1_the_providers_route_is_taken() {
    for (route, to) in [
        ("<sip:p1.carrier.example;lr>, <sip:p2.carrier.example;lr>", FIRST),
        ("<sip:192.0.2.81:5060;lr>", SECOND),
        ("<sip:203.0.113.66:5060;lr>", FIRST),
    ] {
        let mut world = World::with(going_out(provider()));
        located(&mut world);
        let register = world.only();
        let answer = ok(&register, 600)
            .replace("Content-Length", &format!("Service-Route: {route}\r\nContent-Length"));
        world.datagram(FIRST, &answer);
        dial(&mut world);
        let invite = world.only();
        assert_eq!(invite.headers("Route").join(", "), route);
        assert_eq!(remote(&invite), to, "only an address of the trunk's own is followed: {route}");
        world.datagram(to, &invite.answer("183 Session Progress", "gw", "", ""));
        let session = SessionId(1);
        world.command(Command::Cancel { session, reason: None });
        let cancel = world.only();
        assert_eq!((cancel.method(), cancel.headers("Route").join(", ").as_str()), ("CANCEL", route));
    }
}

#[test]
fn no_call_goes_where_nobody_would_take_it() {
    let mut world = World::with(going_out(provider()));
    assert!(world.ua.way_out(CARRIER, world.now).is_none(), "not found yet");
    located(&mut world);
    let register = world.only();
    assert!(world.ua.way_out(CARRIER, world.now).is_none(), "not registered yet");
    dial(&mut world);
    assert_eq!((world.take().len(), refused(&mut world)), (0, Some(503)));
    world.datagram(FIRST, &ok(&register, 600));
    let way = world.ua.way_out(CARRIER, world.now).unwrap();
    assert_eq!((way.name.as_str(), way.flow.remote.to_string().as_str()), ("carrier", FIRST));
    assert_eq!(way.pulse, Pulse::Unknown);
    world.command(Command::Trunk { trunk: CARRIER, order: TrunkOrder::Drain });
    assert!(world.ua.way_out(CARRIER, world.now).is_none(), "being drained");
    world.take();
    dial(&mut world);
    assert_eq!((world.take().len(), refused(&mut world)), (0, Some(503)));
    let only_brings = World::with(with(plain()));
    assert!(only_brings.ua.way_out(CARRIER, only_brings.now).is_none());
    let mut unknown = World::with(config());
    dial_by(&mut unknown, TrunkId::from_bytes([1; 16]), "+4989123456");
    assert_eq!((unknown.take().len(), refused(&mut unknown)), (0, Some(503)));
}

#[test]
fn a_peer_never_chooses_a_number() {
    let mut world = out(plain());
    dial(&mut world);
    let invite = world.only();
    world.datagram(FIRST, &invite.answer("302 Moved", "t", "Contact: <sip:+4990012@x>\r\n", ""));
    assert_eq!(world.only().method(), "ACK");
    assert_eq!(refused(&mut world), Some(302));
    dial_by(&mut world, CARRIER, "tel:123");
    assert_eq!((world.take().len(), refused(&mut world)), (0, Some(503)));
    dial_by(&mut world, CARRIER, "sip:chef@kanzlei.example");
    assert_eq!(world.only().start(), "INVITE sip:chef@kanzlei.example SIP/2.0");
}

#[test]
fn over_tcp_the_next_server_is_dialled_when_the_first_cannot_be_reached() {
    let mut world = World::with(going_out(plain()));
    let targets = [FIRST, SECOND].map(|remote| target(remote, Transport::Tcp)).to_vec();
    world.input(vorzimmer_sip::ua::Input::Located { trunk: CARRIER, targets });
    dial(&mut world);
    let (connection, to) = world.connects.pop().unwrap();
    assert_eq!(to.to_string(), FIRST);
    world.input(vorzimmer_sip::ua::Input::Closed { connection });
    assert_eq!(world.connects.pop().unwrap().1.to_string(), SECOND);
    assert_eq!(news(&mut world).len(), 1, "and it is told");
}
