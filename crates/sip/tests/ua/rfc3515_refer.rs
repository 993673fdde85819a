//! RFC 3515, RFC 4488 and RFC 3891: calls put through and picked up.

use vorzimmer_sip::ua::{Command, Event, Peer, ReferId, Replaced, SessionId};

use crate::s12_dialog::talking;
use crate::world::{LOCAL, Over, PHONE, REALM, SDP, Sent, TRUNK, World, authorize};

/// Anna's phone has taken a call; its next requests, and how it names the dialog.
struct Phone {
    session: SessionId,
    invite: Sent,
    cseq: u32,
}

impl Phone {
    fn talking(world: &mut World) -> Self {
        let (session, invite) = world.ring();
        let contact = format!("Contact: <sip:anna@{PHONE}>\r\n");
        world.datagram(PHONE, &invite.answer("200 OK", "d1", &contact, SDP));
        world.take();
        world.happened();
        Self { session, invite, cseq: 0 }
    }

    fn says(&mut self, method: &str, extra: &str) -> String {
        self.cseq += 1;
        let dialog = |name| self.invite.header(name).unwrap_or_default();
        format!(
            "{method} sip:{LOCAL} SIP/2.0\r\nVia: SIP/2.0/UDP {PHONE};branch=z9hG4bK-{method}{};rport\r\nMax-Forwards: 70\r\n\
             From: {};tag=d1\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\nContact: <sip:anna@{PHONE}>\r\n{extra}\
             Content-Length: 0\r\n\r\n",
            self.cseq,
            dialog("To"),
            dialog("From"),
            dialog("Call-ID"),
            self.cseq
        )
    }

    /// The dialog's name in a Replaces header that we get.
    fn replaces(&self) -> String {
        format!(
            "{};to-tag={};from-tag=d1",
            self.invite.header("Call-ID").unwrap_or_default(),
            self.invite.author_tag()
        )
    }
}

fn only_referred(world: &mut World) -> (ReferId, String, Replaced) {
    let happened = world.happened();
    assert_eq!(happened.len(), 1, "{happened:?}");
    let referred = happened.iter().find_map(|event| match event {
        Event::Referred { refer, target, replaced, .. } => {
            Some((*refer, target.expose().to_string(), *replaced))
        }
        _ => None,
    });
    referred.expect("a REFER")
}

#[test]
fn a_refer_is_accepted_and_its_outcome_told() {
    let mut world = World::new();
    let mut phone = Phone::talking(&mut world);
    let session = phone.session;
    world.datagram(PHONE, &phone.says("REFER", "Refer-To: <sip:berta@vorzimmer.example>\r\n"));
    let (refer, target, replaced) = only_referred(&mut world);
    assert_eq!((target.as_str(), replaced), ("sip:berta@vorzimmer.example", Replaced::Nothing));
    assert!(world.take().is_empty(), "the layer above decides");
    world.command(Command::AnswerRefer { session, refer, status: 202 });
    let [accepted, trying] = &world.take()[..] else { panic!("202 and NOTIFY") };
    assert_eq!(accepted.status(), Some(202));
    assert_eq!((trying.method(), trying.header("Event")), ("NOTIFY", Some("refer")));
    assert_eq!(trying.header("Content-Type"), Some("message/sipfrag;version=2.0"));
    assert_eq!(trying.header("Subscription-State"), Some("active;expires=300"));
    assert_eq!(trying.body(), "SIP/2.0 100 Trying\r\n");
    world.datagram(PHONE, &trying.answer("200 OK", "", "", ""));
    // One at a time.
    world.datagram(PHONE, &phone.says("REFER", "Refer-To: <sip:carol@vorzimmer.example>\r\n"));
    assert_eq!(world.only().status(), Some(491));
    world.command(Command::Notify { session, refer, status: 180 });
    assert_eq!(world.only().body(), "SIP/2.0 180 Ringing\r\n");
    world.command(Command::Notify { session, refer, status: 486 });
    let last = world.only();
    assert_eq!(last.header("Subscription-State"), Some("terminated;reason=noresource"));
    assert_eq!(last.body(), "SIP/2.0 486 Busy Here\r\n");
    world.command(Command::Notify { session, refer, status: 200 });
    assert!(world.take().is_empty(), "the subscription is over");
    // The second one of a dialog says which it is (§2.4.6).
    world.datagram(PHONE, &phone.says("REFER", "Refer-To: <sip:carol@vorzimmer.example>\r\n"));
    let (refer, ..) = only_referred(&mut world);
    world.command(Command::AnswerRefer { session, refer, status: 202 });
    let expected = format!("refer;id={}", refer.0);
    assert_eq!(world.take()[1].header("Event"), Some(expected.as_str()));
}

#[test]
fn who_hangs_up_after_a_refer_is_told_nothing() {
    let mut world = World::new();
    let mut phone = Phone::talking(&mut world);
    let session = phone.session;
    world.datagram(PHONE, &phone.says("REFER", "Refer-To: <sip:berta@vorzimmer.example>\r\n"));
    let (refer, ..) = only_referred(&mut world);
    world.command(Command::AnswerRefer { session, refer, status: 202 });
    world.datagram(PHONE, &phone.says("BYE", ""));
    world.take();
    world.command(Command::Notify { session, refer, status: 200 });
    assert!(world.take().is_empty());
}

#[test]
fn without_a_subscription_nothing_is_told() {
    let mut world = World::new();
    let mut phone = Phone::talking(&mut world);
    let session = phone.session;
    let extra = "Refer-To: <sip:berta@vorzimmer.example>\r\nRefer-Sub: false\r\nRequire: norefersub\r\n";
    world.datagram(PHONE, &phone.says("REFER", extra));
    let (refer, ..) = only_referred(&mut world);
    world.command(Command::AnswerRefer { session, refer, status: 202 });
    let accepted = world.only();
    assert_eq!((accepted.status(), accepted.header("Refer-Sub")), (Some(202), Some("false")));
    world.command(Command::Notify { session, refer, status: 200 });
    assert!(world.take().is_empty());
}

#[test]
fn a_refused_refer_leaves_nothing_behind() {
    let mut world = World::new();
    let mut phone = Phone::talking(&mut world);
    for _ in 0..2 {
        world.datagram(PHONE, &phone.says("REFER", "Refer-To: <tel:+4989123456>\r\n"));
        let (refer, ..) = only_referred(&mut world);
        world.command(Command::AnswerRefer { session: phone.session, refer, status: 403 });
        assert_eq!(world.only().status(), Some(403));
    }
}

#[test]
fn what_a_refer_may_not_be() {
    let cases = [
        ("", 400),
        ("Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n", 400),
        ("Refer-To: <sip:a@b?Replaces=nonsense>\r\n", 400),
        ("Refer-To: <http://example.com/>\r\n", 416),
        ("Refer-To: <sip:a@b;method=BYE>\r\n", 403),
        ("Refer-To: <sip:a@b>\r\nRequire: gruu\r\n", 420),
    ];
    for (extra, status) in cases {
        let mut world = World::new();
        let mut phone = Phone::talking(&mut world);
        world.datagram(PHONE, &phone.says("REFER", extra));
        assert_eq!(world.only().status(), Some(status), "{extra}");
        assert!(world.happened().is_empty());
    }
}

#[test]
fn a_trunk_never_refers_and_nobody_does_outside_a_dialog() {
    let mut world = World::new();
    let (_, mut call) = talking(&mut world);
    world.datagram(TRUNK, &call.next("REFER", "Refer-To: <sip:+49900123456@evil.example>\r\n", ""));
    assert_eq!(world.only().status(), Some(403));
    world.happened();
    let mut phone = Phone::talking(&mut world);
    let outside = phone.says("REFER", "Refer-To: <sip:+49900123456@evil.example>\r\n");
    let outside = outside.replace(&format!(";tag={}", phone.invite.author_tag()), "");
    world.datagram(PHONE, &outside);
    assert_eq!(world.only().status(), Some(403));
    assert!(world.happened().is_empty());
}

#[test]
fn an_attended_transfer_names_a_dialog_of_ours() {
    let mut world = World::new();
    let mut phone = Phone::talking(&mut world);
    let escaped =
        phone.replaces().replace(';', "%3B").replace('=', "%3D").replace('@', "%40").replace(' ', "");
    for (escaped, expected) in [
        (escaped.as_str(), Replaced::Session(phone.session)),
        ("nobody%3Bto-tag%3D1%3Bfrom-tag%3D2", Replaced::Unknown),
    ] {
        let extra = format!("Refer-To: <sip:b@vorzimmer.example?Require=replaces&Replaces={escaped}>\r\n");
        world.datagram(PHONE, &phone.says("REFER", &extra));
        let (refer, target, replaced) = only_referred(&mut world);
        assert_eq!((target.as_str(), replaced), ("sip:b@vorzimmer.example", expected));
        world.command(Command::AnswerRefer { session: phone.session, refer, status: 403 });
        world.take();
    }
}

/// Berta's phone sends an INVITE with this Replaces and her digest.
fn picks_up(world: &mut World, replaces: &str) -> Option<u16> {
    let invite = |extra: &str, n: u8| {
        format!(
            "INVITE sip:{REALM} SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.8:40124;branch=z9hG4bKpick{n}{};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:berta@{REALM}>;tag=b{n}\r\nTo: <sip:{REALM}>\r\nCall-ID: pick{n}\r\n\
             CSeq: {n} INVITE\r\nContact: <sip:berta@203.0.113.8:40124>\r\nReplaces: {replaces}\r\n\
             Require: replaces\r\n{extra}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
            replaces.len(),
            SDP.len()
        )
    };
    let over = Over::Udp("203.0.113.8:40124");
    world.register(&over, "berta", "<sip:berta@203.0.113.8:40124>", 1);
    world.take();
    world.hand(&over, &invite("", 1));
    let challenge = world.only();
    assert_eq!(challenge.status(), Some(401));
    let credentials = authorize(&challenge, "berta", "berta", "INVITE", &format!("sip:{REALM}"));
    world.hand(&over, &invite(&format!("Authorization: {credentials}\r\n"), 2));
    world.statuses().into_iter().find(|status| *status > 100)
}

fn replaced(world: &mut World) -> Option<SessionId> {
    world.happened().iter().find_map(|event| match event {
        Event::Invited { peer: Peer::Receptionist(_), replaces, .. } => *replaces,
        _ => None,
    })
}

#[test]
fn rfc_3891_section_3_which_dialogs_can_be_replaced() {
    // Confirmed: yes, but not if only an early one would do.
    let mut world = World::new();
    let phone = Phone::talking(&mut world);
    assert_eq!(picks_up(&mut world, &phone.replaces()), None);
    assert_eq!(replaced(&mut world), Some(phone.session));
    let mut world = World::new();
    let phone = Phone::talking(&mut world);
    assert_eq!(picks_up(&mut world, &format!("{};early-only", phone.replaces())), Some(486));
    // Ringing, at our wish: picked up.
    let mut world = World::new();
    let (session, invite) = world.ring();
    world.datagram(PHONE, &invite.answer("180 Ringing", "d1", &format!("Contact: <sip:a@{PHONE}>\r\n"), ""));
    let phone = Phone { session, invite, cseq: 0 };
    world.happened();
    assert_eq!(picks_up(&mut world, &format!("{};early-only", phone.replaces())), None);
    assert_eq!(replaced(&mut world), Some(session));
    // Being hung up: too late. Unknown, or by a wrong tag: 481. Malformed: 400.
    let mut world = World::new();
    let phone = Phone::talking(&mut world);
    world.command(Command::Hangup { session: phone.session, reason: None });
    assert_eq!(picks_up(&mut world, &phone.replaces()), Some(603));
    for (replaces, status) in [("x;to-tag=1;from-tag=2", 481), ("x;to-tag=1", 400)] {
        let mut world = World::new();
        assert_eq!(picks_up(&mut world, replaces), Some(status));
    }
    let mut world = World::new();
    let phone = Phone::talking(&mut world);
    assert_eq!(picks_up(&mut world, &phone.replaces().replace("d1", "d2")), Some(481));
}

#[test]
fn a_trunk_replaces_nothing() {
    let mut world = World::new();
    let phone = Phone::talking(&mut world);
    let mut call = crate::world::Script::new("steal");
    call.extra = format!("Replaces: {}\r\n", phone.replaces());
    world.datagram(TRUNK, &call.invite());
    assert_eq!(world.only().status(), Some(403));
    assert!(world.happened().is_empty());
}
