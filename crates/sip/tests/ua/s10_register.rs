//! RFC 3261 §10.3: registering, more than once, elsewhere, no longer; and what survives.

use std::time::Duration;

use vorzimmer_sip::ua::{Binding, Command, ConnectionId, Event, Input};
use vorzimmer_types::{Pii, UnixMillis};

use crate::world::{ANNA, BERTA, Over, PHONE, REALM, World, authorize, config, invite, register};

const UDP: Over = Over::Udp(PHONE);

fn contacts(bindings: &[Binding]) -> Vec<&str> {
    bindings.iter().map(|binding| binding.contact.expose().as_str()).collect()
}

/// The last change that was told, and how many there were.
fn told(world: &mut World) -> (usize, Vec<Binding>) {
    let mut changes: Vec<_> = world
        .happened()
        .into_iter()
        .filter_map(|event| match event {
            Event::BindingsChanged { receptionist, bindings } => {
                assert_eq!(receptionist, ANNA);
                Some(bindings)
            }
            _ => None,
        })
        .collect();
    (changes.len(), changes.pop().unwrap_or_default())
}

#[test]
fn several_devices_with_preference_and_expiry_of_their_own() {
    let mut world = World::new();
    let ok = world.register(&UDP, "anna", "<sip:a@10.0.0.1>;q=0.3;expires=100, <sip:a@10.0.0.2>;q=0.8", 1);
    assert_eq!(ok.status(), Some(200));
    assert_eq!(
        ok.headers("Contact"),
        ["<sip:a@10.0.0.2>;expires=3600;q=0.800", "<sip:a@10.0.0.1>;expires=100;q=0.300"]
    );
    let (changes, bindings) = told(&mut world);
    assert_eq!((changes, contacts(&bindings)), (1, vec!["sip:a@10.0.0.2", "sip:a@10.0.0.1"]));
    world.pass(Duration::from_secs(40));
    let fetched = world.register(&UDP, "anna", "", 10);
    assert_eq!(fetched.headers("Contact")[1], "<sip:a@10.0.0.1>;expires=60;q=0.300");
    assert_eq!(told(&mut world).0, 0, "asking changes nothing");
    world.pass(Duration::from_secs(60));
    assert_eq!(contacts(&told(&mut world).1), ["sip:a@10.0.0.2"], "the other lapsed by the clock");
    world.pass(Duration::from_secs(3500));
    assert_eq!(told(&mut world), (1, vec![]));
    assert_eq!(world.ua.counters().bindings, 0);
}

#[test]
fn re_registration_refreshes_and_un_registration_removes() {
    let mut world = World::new();
    world.register(&UDP, "anna", "<sip:anna@10.0.0.1:5060>", 1);
    world.pass(Duration::from_secs(1000));
    // §19.1.4: the same URI in other clothes.
    let ok = world.register(&UDP, "anna", "<sip:%61nna@10.0.0.1:5060;ob>", 11);
    assert_eq!(ok.headers("Contact").len(), 1);
    assert!(ok.header("Contact").unwrap().ends_with(";expires=3600"));
    assert_eq!(told(&mut world).0, 2);
    let gone = world.register(&UDP, "anna", "<sip:anna@10.0.0.1:5060>;expires=0", 21);
    assert_eq!((gone.status(), gone.headers("Contact").len()), (Some(200), 0));
    assert_eq!(told(&mut world), (1, vec![]));
}

#[test]
fn a_star_removes_everything_but_only_properly() {
    let mut world = World::new();
    world.register(&UDP, "anna", "<sip:a@10.0.0.1>, <sip:a@10.0.0.2>", 1);
    world.happened();
    assert_eq!(world.register(&UDP, "anna", "*", 11).status(), Some(400), "a star needs Expires: 0");
    assert_eq!(
        world.register_with(&UDP, "anna", "*, <sip:a@10.0.0.1>", 21, "Expires: 0\r\n").status(),
        Some(400)
    );
    assert_eq!(world.ua.bindings(ANNA, world.now).len(), 2);
    let gone = world.register_with(&UDP, "anna", "*", 31, "Expires: 0\r\n");
    assert_eq!((gone.status(), gone.headers("Contact").len()), (Some(200), 0));
    assert_eq!(told(&mut world), (1, vec![]));
}

#[test]
fn how_long_is_granted() {
    let cases = [
        ("", "", Some(3600)),
        ("", "Expires: 120\r\n", Some(120)),
        (";expires=90", "Expires: 120\r\n", Some(90)),
        (";expires=999999", "", Some(7200)),
        (";expires=99999999999999999999", "", Some(7200)),
        (";expires=soon", "", Some(3600)),
        (";expires=59", "", None),
    ];
    for (n, (param, extra, granted)) in cases.into_iter().enumerate() {
        let mut world = World::new();
        let ok = world.register_with(&UDP, "anna", &format!("<sip:a@10.0.0.1>{param}"), 1, extra);
        match granted {
            Some(seconds) => {
                assert_eq!(
                    ok.header("Contact"),
                    Some(&*format!("<sip:a@10.0.0.1>;expires={seconds}")),
                    "{n}"
                );
            }
            None => assert_eq!((ok.status(), ok.header("Min-Expires")), (Some(423), Some("60"))),
        }
    }
}

#[test]
fn older_registrations_of_the_same_call_id_are_refused_whole() {
    let mut world = World::new();
    world.register(&UDP, "anna", "<sip:a@10.0.0.1>", 50);
    world.happened();
    let late = world.register(&UDP, "anna", "<sip:a@10.0.0.2>, <sip:a@10.0.0.1>;expires=0", 40);
    assert_eq!(late.status(), Some(500));
    assert_eq!(contacts(&world.ua.bindings(ANNA, world.now)), ["sip:a@10.0.0.1"]);
    assert_eq!(told(&mut world).0, 0);
}

#[test]
fn a_device_that_moved_replaces_itself_by_its_instance() {
    let mut world = World::new();
    let instance = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"";
    world.register(&UDP, "anna", &format!("<sip:a@10.0.0.1:1111>;{instance}"), 1);
    let ok = world.register(&UDP, "anna", &format!("<sip:a@10.0.0.1:2222>;{instance}"), 11);
    assert_eq!(ok.headers("Contact"), [format!("<sip:a@10.0.0.1:2222>;expires=3600;{instance}")]);
}

#[test]
fn the_ninth_device_takes_the_place_of_the_one_that_lapses_first() {
    let mut world = World::new();
    for n in 0..9 {
        world.register(&UDP, "anna", &format!("<sip:a@10.0.0.{n}>;expires={}", 1000 + n), 1 + 10 * n);
    }
    let left = world.ua.bindings(ANNA, world.now);
    assert_eq!(left.len(), 8);
    assert!(!contacts(&left).contains(&"sip:a@10.0.0.0"));
    let many: Vec<_> = (0..9).map(|n| format!("<sip:b@10.0.0.{n}>")).collect();
    assert_eq!(world.register(&UDP, "anna", &many.join(", "), 200).status(), Some(403));
}

#[test]
fn somebody_elses_address_and_a_foreign_domain() {
    let mut world = World::new();
    for (what, with, status) in [
        (format!("To: <sip:anna@{REALM}>"), format!("To: <sip:berta@{REALM}>"), 403),
        (format!("To: <sip:anna@{REALM}>"), "To: <sip:anna@elsewhere.example>".to_owned(), 404),
    ] {
        let plain = register(&UDP, "anna", "<sip:a@10.0.0.1>", 1, "").replace(&what, &with);
        world.datagram(PHONE, &plain.replace("z9hG4bK", &format!("z9hG4bK{status}")));
        let credentials = authorize(&world.only(), "anna", "anna", "REGISTER", &format!("sip:{REALM}"));
        let extra = format!("Authorization: {credentials}\r\n");
        let again = register(&UDP, "anna", "<sip:a@10.0.0.1>", 2, &extra).replace(&what, &with);
        world.datagram(PHONE, &again.replace("z9hG4bK", &format!("z9hG4bK{status}")));
        assert_eq!(world.only().status(), Some(status));
    }
    assert_eq!(world.ua.counters().bindings, 0);
}

#[test]
fn contacts_that_cannot_be_rung_and_extensions_that_are_demanded() {
    let mut world = World::new();
    for (n, (contact, extra, status)) in [
        ("<mailto:anna@example.com>", "", 400),
        ("<sips:anna@10.0.0.1>", "", 400),
        ("<sip:anna@10.0.0.1>", "Require: x-wonder\r\n", 420),
    ]
    .into_iter()
    .enumerate()
    {
        let cseq = 1 + 10 * u32::try_from(n).unwrap();
        assert_eq!(
            world.register_with(&UDP, "anna", contact, cseq, extra).status(),
            Some(status),
            "{contact}"
        );
    }
}

#[test]
fn bindings_survive_a_restart() {
    let mut world = World::new();
    world.register(&UDP, "anna", &format!("<sip:anna@{PHONE}>"), 1);
    world.open(3, "203.0.113.8:33333");
    world.register(&Over::Tcp(3), "anna", "<sip:anna@203.0.113.8:5070;transport=tcp>", 11);
    world.open(4, "203.0.113.9:44444");
    world.register(&Over::Tcp(4), "anna", "<sip:anna@10.0.0.9;transport=tcp>", 21);
    let kept = told(&mut world).1;
    assert_eq!(kept.len(), 3);
    let mut after = World::with(config());
    after.now = world.now;
    after.ua.restore(kept, after.now);
    let left = after.ua.bindings(ANNA, after.now);
    assert_eq!(left.len(), 1, "those on connections that died cannot be reached, wherever they say they are");
    let session = after.ua.next_session();
    after.command(invite(session, left[0].clone()));
    let invite = after.only();
    assert_eq!((invite.flow.remote, after.connects.len()), (PHONE.parse().unwrap(), 0));
    assert_eq!(contacts(&told(&mut after).1), contacts(&left), "and that is kept");
}

#[test]
fn a_binding_that_lapsed_during_the_restart_is_gone() {
    let mut world = World::new();
    world.register(&UDP, "anna", "<sip:anna@10.0.0.1>", 1);
    let mut kept = told(&mut world).1;
    kept[0].expires_at = UnixMillis(world.now.wall.0 - 1);
    let mut after = World::new();
    after.ua.restore(kept, after.now);
    assert_eq!(after.ua.counters().bindings, 0);
}

#[test]
fn a_dead_flow_is_unreachable_at_once_and_nobody_is_dialled() {
    let mut world = World::new();
    world.open(4, "203.0.113.9:44444");
    world.register(&Over::Tcp(4), "anna", "<sip:anna@203.0.113.9:5070;transport=tcp>", 1);
    let device = world.ua.bindings(ANNA, world.now).remove(0);
    told(&mut world);
    world.input(Input::Closed { connection: ConnectionId(4) });
    assert_eq!(told(&mut world), (1, vec![]));
    let session = world.ua.next_session();
    world.command(invite(session, device));
    assert!(matches!(world.happened()[..], [Event::Refused { status: 430, .. }]), "RFC 5626 §11.6");
    assert!(world.connects.is_empty() && world.take().is_empty());
}

#[test]
fn one_receptionist_does_not_see_the_others_devices() {
    let mut world = World::new();
    world.register(&UDP, "anna", "<sip:anna@10.0.0.1>", 1);
    let ok = world.register(&UDP, "berta", "<sip:berta@10.0.0.1>", 1);
    assert_eq!(ok.headers("Contact"), ["<sip:berta@10.0.0.1>;expires=3600"]);
    assert_eq!(contacts(&world.ua.bindings(BERTA, world.now)), ["sip:berta@10.0.0.1"]);
}

#[test]
fn headers_that_are_ours_cannot_be_set_from_above() {
    let mut world = World::new();
    world.register(&UDP, "anna", "<sip:anna@10.0.0.1>", 1);
    for (name, value) in [("Via", "SIP/2.0/UDP x"), ("X-A", "b\r\nX-B: c"), ("X A", "b")] {
        world.take();
        world.happened();
        let session = world.ua.next_session();
        let device = world.ua.bindings(ANNA, world.now).remove(0);
        let Command::Invite { session, to, from, sdp, .. } = invite(session, device) else { panic!() };
        let headers = vec![(name.to_owned(), Pii::new(value.to_owned()))];
        world.command(Command::Invite { session, to, from, sdp, headers });
        assert!(world.take().is_empty());
        assert!(matches!(world.happened()[..], [Event::Refused { .. }]), "{name}");
    }
}
