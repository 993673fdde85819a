//! RFC 3327: telephones behind proxies are rung through them; and Contacts that look like GRUUs (RFC 5627) are Contacts.

use vorzimmer_sip::ua::Command;

use crate::world::{ANNA, Over, PHONE, World, config};

const CONTACT: &str = "<sip:anna@10.0.0.7:5060>";
const PATH: &str = "Path: <sip:edge@192.0.2.77;lr>, <sip:inner.example;lr;token=7>\r\n";

#[test]
fn section_5_3_the_path_is_the_route_back_and_survives_a_restart() {
    let mut world = World::new();
    let ok = world.register_with(&Over::Udp(PHONE), "anna", CONTACT, 1, PATH);
    assert_eq!(ok.status(), Some(200));
    assert_eq!(ok.header("Path"), Some("<sip:edge@192.0.2.77;lr>, <sip:inner.example;lr;token=7>"));
    let (session, rung) = world.ring_again();
    assert_eq!(rung.start(), "INVITE sip:anna@10.0.0.7:5060 SIP/2.0");
    assert_eq!(rung.headers("Route"), ["<sip:edge@192.0.2.77;lr>", "<sip:inner.example;lr;token=7>"]);
    assert_eq!(rung.flow.remote.to_string(), PHONE, "where the REGISTER came from, wherever Path points");
    world.datagram(PHONE, &rung.answer("180 Ringing", "p", "", ""));
    world.command(Command::Cancel { session, reason: None });
    assert_eq!(world.only().headers("Route"), rung.headers("Route"), "RFC 3261 §9.1");
    let kept = world.ua.bindings(ANNA, world.now);
    let mut after = World::with(config());
    after.ua.restore(kept, after.now);
    let (_, again) = after.ring_again();
    assert_eq!(again.headers("Route"), rung.headers("Route"));
}

#[test]
fn section_5_3_a_device_that_registers_without_it_again_has_none() {
    let mut world = World::new();
    world.register_with(&Over::Udp(PHONE), "anna", CONTACT, 1, PATH);
    assert_eq!(world.register(&Over::Udp(PHONE), "anna", CONTACT, 11).header("Path"), None);
    assert!(world.ring_again().1.headers("Route").is_empty());
}

#[test]
fn a_strict_router_gets_the_request_line() {
    let mut world = World::new();
    world.register_with(&Over::Udp(PHONE), "anna", CONTACT, 1, "Path: <sip:old.example>\r\n");
    let (_, rung) = world.ring_again();
    assert_eq!(rung.start(), "INVITE sip:old.example SIP/2.0");
    assert_eq!(rung.headers("Route"), ["<sip:anna@10.0.0.7:5060>"]);
    assert_eq!(rung.header("To"), Some("<sip:anna@10.0.0.7:5060>"));
}

#[test]
fn a_proxy_may_insist_on_path_and_write_no_nonsense() {
    for (path, status) in [
        ("Require: path\r\nPath: <sip:edge.example;lr>\r\n", 200),
        ("Path: <tel:+49301234567>\r\n", 400),
        ("Path: <sip:\r\n", 400),
        (
            "Path: <sip:a;lr>,<sip:b;lr>,<sip:c;lr>,<sip:d;lr>,<sip:e;lr>,<sip:f;lr>,<sip:g;lr>,<sip:h;lr>\r\n",
            200,
        ),
        (
            "Path: <sip:a;lr>,<sip:b;lr>,<sip:c;lr>,<sip:d;lr>,<sip:e;lr>,<sip:f;lr>,<sip:g;lr>,<sip:h;lr>,<sip:i;lr>\r\n",
            400,
        ),
    ] {
        let mut world = World::new();
        let answer = world.register_with(&Over::Udp(PHONE), "anna", CONTACT, 1, path);
        assert_eq!(answer.status(), Some(status), "{path}");
    }
}

#[test]
fn rfc_5627_what_looks_like_a_gruu_is_rung_as_it_stands_over_its_own_flow() {
    let mut world = World::new();
    let gruu = "<sip:anna@vorzimmer.example;gr=urn:uuid:f81d4fae>;+sip.instance=\"<urn:uuid:f81d4fae>\"";
    let extra = "Supported: gruu\r\n";
    let ok = world.register_with(&Over::Udp(PHONE), "anna", gruu, 1, extra);
    assert!(!ok.text.contains("pub-gruu") && !ok.text.contains("temp-gruu"), "{}", ok.text);
    let (_, rung) = world.ring_again();
    assert_eq!(rung.start(), "INVITE sip:anna@vorzimmer.example;gr=urn:uuid:f81d4fae SIP/2.0");
    assert_eq!(rung.flow.remote.to_string(), PHONE, "never to where its name would lead");
    // In the dialog that such a device begins or answers it stands as Contact: requests go where it was heard.
    let answer =
        "Contact: <sip:anna@vorzimmer.example;gr=urn:uuid:f81d4fae>\r\nContent-Type: application/sdp\r\n";
    world.datagram(PHONE, &rung.answer("200 OK", "p", answer, crate::world::SDP));
    let ack = world.only();
    assert_eq!(ack.start(), "ACK sip:anna@vorzimmer.example;gr=urn:uuid:f81d4fae SIP/2.0");
    assert_eq!(ack.flow.remote.to_string(), PHONE);
}
