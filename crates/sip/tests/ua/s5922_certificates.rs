//! RFC 5922 and RFC 5923: a trunk that is known by its certificate, and the connections that it may be called over.

use std::time::Duration;

use bytes::Bytes;
use vorzimmer_sip::digest::Ha1;
use vorzimmer_sip::ua::{Command, ConnectionId, Event, Input, Peer, Transport, Trunk, UaConfig};
use vorzimmer_types::TrunkId;

use crate::world::{DIGEST_TRUNK_USER, REALM, Script, World, authorize, config};

const CARRIER: TrunkId = TrunkId::from_bytes([9; 16]);
const FROM: &str = "198.18.0.1:40000";

fn with(change: impl FnOnce(&mut Trunk)) -> UaConfig {
    let mut config = config();
    let mut carrier = Trunk {
        id: CARRIER,
        name: "by certificate".into(),
        addresses: vec![],
        digest: None,
        certificate: true,
        provider: None,
        outbound: None,
    };
    change(&mut carrier);
    config.trunks.push(carrier);
    config
}

fn script(call_id: &str, alias: &str) -> Script {
    Script { via: format!("SIP/2.0/TLS 198.18.0.1:5061{alias}"), ..Script::new(call_id) }
}

/// What a first INVITE over such a connection is answered with; none is silence.
fn standing(config: UaConfig, transport: Transport, from: &str, certified: Option<TrunkId>) -> Option<u16> {
    let mut world = World::with(config);
    world.open_over(transport, 1, from, certified);
    world.stream(1, &script("c1", "").invite());
    world.statuses().first().copied()
}

#[test]
fn a_certificate_opens_the_door_and_nothing_else_does() {
    let other = Some(TrunkId::from_bytes([8; 16]));
    for (from, certified, expected) in [
        (FROM, Some(CARRIER), Some(100)),
        ("203.0.113.200:1", Some(CARRIER), Some(100)),
        (FROM, None, None),
        (FROM, other, None),
    ] {
        assert_eq!(standing(with(|_| ()), Transport::Tls, from, certified), expected, "{from} {certified:?}");
    }
    assert_eq!(standing(with(|_| ()), Transport::Tcp, FROM, None), None);
}

#[test]
fn nobody_is_a_trunk_over_a_websocket() {
    for transport in [Transport::Ws, Transport::Wss] {
        assert_eq!(standing(config(), transport, crate::world::TRUNK, None), None, "{transport:?}");
    }
    assert_eq!(standing(config(), Transport::Tls, crate::world::TRUNK, None), Some(100));
}

#[test]
fn with_addresses_both_must_be_right() {
    let config = || with(|carrier| carrier.addresses = vec!["198.18.0.0/24".parse().unwrap()]);
    assert_eq!(standing(config(), Transport::Tls, FROM, Some(CARRIER)), Some(100));
    assert_eq!(standing(config(), Transport::Tls, "203.0.113.200:1", Some(CARRIER)), None);
    assert_eq!(standing(config(), Transport::Tls, FROM, None), None, "the address alone is not enough");
    let mut world = World::with(config());
    world.datagram(FROM, &Script::new("c1").invite());
    assert!(world.take().is_empty());
}

#[test]
fn with_a_digest_both_must_be_right() {
    let config = || {
        with(|carrier| {
            carrier.digest = Some((DIGEST_TRUNK_USER.into(), Ha1::new(DIGEST_TRUNK_USER, REALM, "secret")));
        })
    };
    assert_eq!(standing(config(), Transport::Tls, FROM, None), None, "not even a challenge");
    let mut world = World::with(config());
    world.open_over(Transport::Tls, 1, FROM, Some(CARRIER));
    let mut call = script("c1", "");
    world.stream(1, &call.invite());
    let challenge = world.only();
    assert_eq!(challenge.status(), Some(401));
    let uri = format!("sip:+4930555@{}", crate::world::LOCAL);
    let proof = authorize(&challenge, DIGEST_TRUNK_USER, "secret", "INVITE", &uri);
    call.extra = format!("Authorization: {proof}\r\n");
    call.cseq = 2;
    call.branch = "z9hG4bK-again".into();
    world.stream(1, &call.invite());
    assert_eq!(world.only().status(), Some(100));
    assert!(
        matches!(&world.happened()[..], [Event::Invited { peer: Peer::Trunk { id, .. }, .. }] if *id == CARRIER)
    );
}

/// A call that was answered over connection 1.
fn talking(world: &mut World, alias: &str) -> (vorzimmer_sip::ua::SessionId, Script) {
    world.open_over(Transport::Tls, 1, FROM, Some(CARRIER));
    let mut call = script("c1", alias);
    world.stream(1, &call.invite().replace("gw@192.0.2.10:5060", "gw@198.18.0.1:5061;transport=tls"));
    let session = world.session();
    world.command(Command::Accept { session, sdp: Bytes::from_static(b"answer") });
    let ok = world.take().pop().unwrap();
    assert_eq!(ok.header("Contact"), Some("<sip:198.51.100.1:5060;transport=tls>"));
    call.to_tag = ok.to_tag();
    world.stream(1, &call.ack());
    world.happened();
    (session, call)
}

#[test]
fn within_a_call_the_certificate_counts_again() {
    let mut world = World::with(with(|_| ()));
    let (_, mut call) = talking(&mut world, "");
    world.open_over(Transport::Tls, 2, FROM, None);
    world.stream(2, &call.next("BYE", "", ""));
    world.datagram(FROM, &call.next("BYE", "", ""));
    assert!(world.happened().is_empty(), "the address is right, the certificate was not shown");
    world.take();
    world.open_over(Transport::Tls, 3, FROM, Some(CARRIER));
    world.stream(3, &call.next("BYE", "", ""));
    assert_eq!(world.only().status(), Some(200));
    assert!(matches!(world.happened()[..], [Event::Ended { .. }]));
}

#[test]
fn rfc_5923_an_alias_is_used_and_what_is_none_is_not() {
    for (alias, certified, reused) in
        [(";alias", Some(CARRIER), true), ("", Some(CARRIER), false), (";alias", None, false)]
    {
        let mut world =
            World::with(with(|carrier| carrier.addresses = vec!["198.18.0.0/24".parse().unwrap()]));
        let (session, _) = talking(&mut world, "");
        world.open_over(Transport::Tls, 2, FROM, certified);
        world.stream(2, &script("keep", alias).request("OPTIONS", 1, "", ""));
        world.take();
        world.input(Input::Closed { connection: ConnectionId(1) });
        world.command(Command::Hangup { session, reason: None });
        if reused {
            assert_eq!(world.only().flow.connection, Some(ConnectionId(2)));
        } else {
            assert!(world.take().is_empty(), "it waits for a connection of our own");
            assert_eq!(world.connects[0].1, "198.18.0.1:5061".parse().unwrap());
        }
    }
}

#[test]
fn rfc_5923_section_7_our_own_connections_are_offered_as_aliases() {
    let mut world = World::with(with(|carrier| carrier.addresses = vec!["198.18.0.0/24".parse().unwrap()]));
    let (session, mut call) = talking(&mut world, "");
    world.input(Input::Closed { connection: ConnectionId(1) });
    world.command(Command::Reinvite { session, sdp: Bytes::from_static(b"offer") });
    let (connection, _) = world.connects[0];
    world.open_over(Transport::Tls, connection.0, "198.18.0.1:5061", Some(CARRIER));
    let invite = world.only();
    assert!(invite.header("Via").unwrap().ends_with(";alias"), "{:?}", invite.header("Via"));
    world.stream(connection.0, &call.next("BYE", "", ""));
    let answers = world.statuses();
    assert!(answers.contains(&200), "and requests that come over it are taken: {answers:?}");
    world.pass(Duration::from_secs(64));
}
