//! A provider that we register with: RFC 3261 §10.2 and §22, RFC 3263 §4.3, RFC 5626 §4.5, RFC 6140, RFC 3608.

use std::time::Duration;

use vorzimmer_sip::carrier::{Login, Pulse, Refusal, Standing, Target};
use vorzimmer_sip::ua::{
    Command, Event, Input, Peer, Provider, Registration, Transport, Trunk, TrunkNews, TrunkOrder, UaConfig,
};
use vorzimmer_types::TrunkId;

use crate::world::{LOCAL, Script, Sent, World, config, tag};

pub const FIRST: &str = "192.0.2.80:5060";
pub const SECOND: &str = "192.0.2.81:5060";
pub const CARRIER: TrunkId = TrunkId::from_bytes([7; 16]);
pub const ASK: &str =
    "WWW-Authenticate: Digest realm=\"carrier.example\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n";

pub fn provider() -> Provider {
    Provider {
        domain: "carrier.example".into(),
        identity: "490302312".into(),
        login: Some(Login { user: "user".into(), password: "geheim".to_owned().into() }),
        realms: Vec::new(),
        register: Some(Registration { expires: Some(Duration::from_secs(600)), bulk: false }),
        options_every: None,
    }
}

pub fn with(provider: Provider) -> UaConfig {
    let mut config = config();
    config.trunks.clear();
    config.trunks.push(Trunk {
        id: CARRIER,
        name: "carrier".into(),
        addresses: Vec::new(),
        digest: None,
        certificate: false,
        outbound: None,
        provider: Some(provider),
    });
    config
}

pub fn target(remote: &str, transport: Transport) -> Target {
    Target { transport, local: LOCAL.parse().unwrap(), remote: remote.parse().unwrap() }
}

/// The name was looked up: two servers over UDP.
pub fn located(world: &mut World) {
    let targets = [FIRST, SECOND].map(|remote| target(remote, Transport::Udp)).to_vec();
    world.input(Input::Located { trunk: CARRIER, targets });
}

pub fn begin(provider: Provider) -> (World, Sent) {
    let mut world = World::with(with(provider));
    located(&mut world);
    let register = world.only();
    (world, register)
}

pub fn news(world: &mut World) -> Vec<TrunkNews> {
    let trunk = |event| match event {
        Event::Trunk { news, .. } => Some(news),
        _ => None,
    };
    world.happened().into_iter().filter_map(trunk).collect()
}

fn standing(world: &World) -> Standing {
    world.ua.trunks(world.now)[0].registration.unwrap()
}

pub fn ok(register: &Sent, expires: u32) -> String {
    let contact = register.header("Contact").unwrap();
    register.answer("200 OK", "r", &format!("Contact: {contact};expires={expires}\r\n"), "")
}

/// Registers with one challenge on the way.
pub fn registered(provider: Provider) -> (World, Sent) {
    let (mut world, first) = begin(provider);
    world.datagram(FIRST, &first.answer("401 Unauthorized", "c", ASK, ""));
    let second = world.only();
    world.datagram(FIRST, &ok(&second, 600));
    assert_eq!(news(&mut world), [TrunkNews::Registered { expires: Duration::from_secs(600) }]);
    (world, second)
}

#[test]
fn section_10_2_a_challenged_register_says_who_we_are_and_nothing_else() {
    let (mut world, first) = begin(provider());
    assert_eq!(first.start(), "REGISTER sip:carrier.example SIP/2.0");
    assert_eq!(first.flow.remote, FIRST.parse().unwrap());
    let names: Vec<&str> =
        first.text.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let expected = "Via Max-Forwards From To Call-ID CSeq Contact Expires Supported Content-Length";
    assert_eq!(names.join(" "), expected, "no User-Agent, nothing of ours");
    world.datagram(FIRST, &first.answer("401 Unauthorized", "c", ASK, ""));
    let second = world.only();
    assert_eq!((first.header("CSeq"), second.header("CSeq")), (Some("1 REGISTER"), Some("2 REGISTER")));
    assert_eq!(first.header("Call-ID"), second.header("Call-ID"));
    assert_eq!(first.author_tag(), second.author_tag());
    assert_ne!(first.branch(), second.branch());
    let shown = second.header("Authorization").unwrap();
    assert!(shown.contains("username=\"user\"") && shown.contains("uri=\"sip:carrier.example\""), "{shown}");
    assert!(shown.contains("nc=00000001"));
    world.datagram(FIRST, &ok(&second, 600));
    assert!(matches!(standing(&world), Standing::Registered { .. }));
}

#[test]
fn section_10_2_4_it_is_refreshed_in_time_on_the_same_nonce() {
    let (mut world, before) = registered(provider());
    world.pass(Duration::from_secs(299));
    assert!(world.take().is_empty());
    world.pass(Duration::from_secs(1));
    for count in 2..=300 {
        let refresh = world.take().remove(0);
        assert_eq!(refresh.header("Call-ID"), before.header("Call-ID"));
        let shown = refresh.header("Authorization").unwrap();
        assert!(shown.contains(&format!("nc={count:08x}")), "{shown}");
        world.datagram(FIRST, &ok(&refresh, 600));
        assert!(news(&mut world).is_empty(), "no news is good news");
        world.pass(Duration::from_secs(300));
    }
}

#[test]
fn section_22_a_stale_nonce_and_two_realms_are_answered_and_a_wrong_password_is_not_tried_twice() {
    let (mut world, _) = registered(provider());
    world.pass(Duration::from_secs(300));
    let refresh = world.only();
    let stale = ASK.replace("n1", "n2").replace("\r\n", ", stale=true\r\n");
    world.datagram(FIRST, &refresh.answer("401 Unauthorized", "c", &stale, ""));
    let again = world.only();
    assert!(again.header("Authorization").unwrap().contains("nonce=\"n2\""));
    assert!(again.header("Authorization").unwrap().contains("nc=00000001"));
    let fresh = ASK.replace("n1", "n3");
    world.datagram(FIRST, &again.answer("401 Unauthorized", "c", &fresh, ""));
    assert!(world.take().is_empty(), "n2 was answered, so the password is wrong");
    let refused =
        [TrunkNews::ChallengeRefused { why: Refusal::Wrong }, TrunkNews::RegistrationRefused { status: 401 }];
    assert_eq!(news(&mut world), refused);
    world.pass(Duration::from_secs(100_000));
    assert!(world.take().is_empty(), "carriers lock accounts that try too often");
    world.command(Command::Trunk { trunk: CARRIER, order: TrunkOrder::Retry });
    assert_eq!(world.only().method(), "REGISTER");
}

#[test]
fn section_22_sha_256_is_taken_and_auth_int_is_refused_with_a_word() {
    let (mut world, first) = begin(provider());
    let both = format!("{ASK}{}", ASK.replace("MD5", "SHA-256"));
    world.datagram(FIRST, &first.answer("401 Unauthorized", "c", &both, ""));
    let second = world.only();
    assert_eq!(second.headers("Authorization").len(), 1);
    assert!(second.header("Authorization").unwrap().contains("algorithm=SHA-256"));
    let (mut world, first) = begin(provider());
    let int = ASK.replace("\"auth\"", "\"auth-int\"");
    world.datagram(FIRST, &first.answer("401 Unauthorized", "c", &int, ""));
    assert!(world.take().is_empty());
    let [TrunkNews::ChallengeRefused { why }, TrunkNews::RegistrationRefused { status: 401 }] =
        &news(&mut world)[..]
    else {
        panic!("no word")
    };
    assert_eq!(why.to_string(), "only qop=auth is spoken here");
}

#[test]
fn nobody_but_the_registrar_gets_a_digest() {
    let (mut world, first) = begin(provider());
    for elsewhere in [SECOND, "203.0.113.66:5060", "192.0.2.80:5061"] {
        for status in ["401 Unauthorized", "407 Proxy Authentication Required"] {
            let ask = if status.starts_with("407") { ASK.replace("WWW", "Proxy") } else { ASK.into() };
            world.datagram(elsewhere, &first.answer(status, "c", &ask, ""));
        }
    }
    assert!(world.take().is_empty(), "the right branch from the wrong address");
    assert_eq!(world.ua.counters().forged_challenges, 6);
    world.datagram(FIRST, &first.answer("401 Unauthorized", "c", ASK, ""));
    let second = world.only();
    world.datagram(FIRST, &ok(&second, 600));
    world.happened();
    world.pass(Duration::from_secs(300));
    let refresh = world.only();
    let other = ASK.replace("carrier.example", "evil.example");
    world.datagram(FIRST, &refresh.answer("401 Unauthorized", "c", &other, ""));
    assert!(world.take().is_empty(), "the realm is pinned by the first registration");
    assert_eq!(news(&mut world)[0], TrunkNews::ChallengeRefused { why: Refusal::Realm });
}

#[test]
fn a_caller_gets_no_digest_by_challenging_what_we_send_in_his_call() {
    let (mut world, _) = registered(provider());
    let mut call = Script::new("leak");
    call.from = FIRST;
    call.via = format!("SIP/2.0/UDP {FIRST}");
    world.datagram(FIRST, &call.invite());
    let session = world.session();
    world.command(Command::Accept { session, sdp: bytes::Bytes::from_static(b"answer") });
    call.to_tag = world.take().last().unwrap().to_tag();
    world.datagram(FIRST, &call.ack());
    world.command(Command::Reinvite { session, sdp: bytes::Bytes::from_static(b"offer") });
    let reinvite = world.only();
    assert_eq!(reinvite.header("Authorization"), None, "not by itself either");
    world.datagram(
        FIRST,
        &reinvite.answer("407 Proxy Authentication Required", "", &ASK.replace("WWW", "Proxy"), ""),
    );
    assert_eq!(world.only().method(), "ACK");
    world.command(Command::Hangup { session, reason: None });
    let bye = world.only();
    assert_eq!(
        (bye.method(), bye.header("Authorization"), bye.header("Proxy-Authorization")),
        ("BYE", None, None)
    );
    world.datagram(FIRST, &bye.answer("401 Unauthorized", "", ASK, ""));
    assert!(world.take().is_empty());
}

#[test]
fn section_10_2_8_423_asks_for_longer() {
    let (mut world, first) = begin(provider());
    world.datagram(FIRST, &first.answer("423 Interval Too Brief", "c", "Min-Expires: 1800\r\n", ""));
    world.pass(Duration::ZERO);
    assert_eq!(world.only().header("Expires"), Some("1800"));
}

#[test]
fn a_403_stops_loudly() {
    let (mut world, first) = begin(provider());
    world.datagram(FIRST, &first.answer("403 Forbidden", "c", "", ""));
    assert_eq!(news(&mut world), [TrunkNews::RegistrationRefused { status: 403 }]);
    assert_eq!(standing(&world), Standing::Refused { status: 403 });
    world.pass(Duration::from_secs(100_000));
    assert!(world.take().is_empty());
}

#[test]
fn rfc3263_section_4_3_the_next_target_after_503_and_after_silence() {
    let (mut world, first) = begin(provider());
    world.datagram(FIRST, &first.answer("503 Service Unavailable", "c", "", ""));
    let second = world.only();
    assert_eq!(second.flow.remote, SECOND.parse().unwrap());
    world.datagram(SECOND, &ok(&second, 600));
    assert_eq!(world.ua.trunks(world.now)[0].target, Some(target(SECOND, Transport::Udp)));
    let (mut world, _) = begin(provider());
    world.pass(Duration::from_secs(32));
    let second = world.take().pop().unwrap();
    assert_eq!(second.flow.remote, SECOND.parse().unwrap(), "after timer F");
    world.pass(Duration::from_secs(32));
    world.take();
    let [.., TrunkNews::RegistrationFailed { status: 408, pause }] = news(&mut world)[..] else { panic!() };
    assert!(pause >= Duration::from_secs(30) && pause <= Duration::from_secs(60));
    world.pass(pause);
    assert_eq!(world.take()[0].method(), "REGISTER");
}

#[test]
fn rfc5626_a_broken_connection_is_made_anew() {
    let mut world = World::with(with(provider()));
    world.input(Input::Located { trunk: CARRIER, targets: vec![target(FIRST, Transport::Tcp)] });
    let (connection, remote) = world.connects.pop().unwrap();
    assert_eq!(remote, FIRST.parse().unwrap());
    assert!(world.take().is_empty());
    let flow = vorzimmer_sip::ua::Flow {
        transport: Transport::Tcp,
        local: LOCAL.parse().unwrap(),
        remote,
        connection: Some(connection),
    };
    world.input(Input::Opened { flow, certified: None });
    let register = world.only();
    assert!(register.header("Contact").unwrap().contains(";transport=tcp"));
    world.stream(connection.0, &ok(&register, 600));
    assert!(matches!(standing(&world), Standing::Registered { .. }));
    world.input(Input::Closed { connection });
    world.pass(Duration::from_secs(2));
    assert_eq!(world.connects.len(), 1, "a new connection");
    world.input(Input::Closed { connection: world.connects[0].0 });
    let [TrunkNews::Registered { .. }, .., TrunkNews::RegistrationFailed { status: 503, .. }] =
        news(&mut world)[..]
    else {
        panic!()
    };
}

#[test]
fn the_providers_calls_are_known_as_the_trunks() {
    let (mut world, register) = registered(provider());
    let contact = register.header("Contact").unwrap();
    let line = contact.split("sip:").nth(1).unwrap().split('@').next().unwrap();
    assert!(line.starts_with("vz"), "{contact}");
    for (from, known) in [(FIRST, true), (SECOND, true), ("203.0.113.5:5060", false)] {
        let mut call = Script::new(&format!("in-{from}"));
        call.via = format!("SIP/2.0/UDP {from}");
        let invite = call.invite().replacen("INVITE sip:+4930555@", &format!("INVITE sip:{line}@"), 1);
        world.datagram(from, &invite);
        let invited = world.happened().pop();
        match known {
            true => assert!(
                matches!(&invited, Some(Event::Invited { peer: Peer::Trunk { name, .. }, .. }) if name == "carrier")
            ),
            false => assert!(invited.is_none()),
        }
    }
}

#[test]
fn rfc6140_all_numbers_at_once() {
    let mut bulk = provider();
    bulk.register = Some(Registration { expires: None, bulk: true });
    let (mut world, first) = begin(bulk);
    assert_eq!(first.header("Contact"), Some("<sip:198.51.100.1:5060;bnc>"));
    assert_eq!((first.header("Require"), first.header("Proxy-Require")), (Some("gin"), Some("gin")));
    assert_eq!(first.header("Supported"), Some("path, gin"));
    let taken = "Contact: <sip:198.51.100.1:5060;bnc>;expires=120\r\nService-Route: <sip:p.carrier.example;lr>\r\n\
                 P-Associated-URI: <sip:+4930231250@carrier.example>, <sip:+4930231251@carrier.example>\r\n";
    world.datagram(FIRST, &first.answer("200 OK", "r", taken, ""));
    let status = world.ua.trunks(world.now).remove(0);
    assert_eq!(status.associated, 2);
    assert_eq!(status.registered_for, Some(Duration::from_secs(120)));
    let mut alone = provider();
    alone.register = Some(Registration { expires: None, bulk: true });
    let (mut world, first) = begin(alone);
    world.datagram(FIRST, &first.answer("420 Bad Extension", "c", "Unsupported: gin\r\n", ""));
    assert_eq!(news(&mut world), [TrunkNews::RegistrationRefused { status: 420 }]);
}

#[test]
fn draining_gives_the_registration_back_and_takes_no_calls() {
    let (mut world, _) = registered(provider());
    world.command(Command::Trunk { trunk: CARRIER, order: TrunkOrder::Drain });
    let leave = world.only();
    assert_eq!((leave.method(), leave.header("Expires")), ("REGISTER", Some("0")));
    assert!(leave.header("Authorization").is_some() && world.ua.is_leaving());
    let stale = ASK.replace("n1", "n2").replace("\r\n", ", stale=true\r\n");
    world.datagram(FIRST, &leave.answer("401 Unauthorized", "c", &stale, ""));
    let again = world.only();
    assert_eq!(again.header("Expires"), Some("0"));
    world.datagram(FIRST, &again.answer("200 OK", "r", "", ""));
    assert!(!world.ua.is_leaving());
    assert_eq!(news(&mut world), [TrunkNews::Unregistered]);
    let mut call = Script::new("late");
    call.via = format!("SIP/2.0/UDP {FIRST}");
    world.datagram(FIRST, &call.invite());
    let refusal = world.take().pop().unwrap();
    assert_eq!((refusal.status(), refusal.header("Retry-After")), (Some(503), Some("300")));
    world.pass(Duration::from_secs(4000));
    world.take();
    world.command(Command::Trunk { trunk: CARRIER, order: TrunkOrder::Resume });
    assert_eq!(world.only().header("Expires"), Some("600"));
}

#[test]
fn a_trunk_that_only_sends_calls_can_be_drained_too() {
    let mut world = World::new();
    let trunk = config().trunks[0].id;
    world.command(Command::Trunk { trunk, order: TrunkOrder::Drain });
    world.datagram(crate::world::TRUNK, &Script::new("drained").invite());
    assert_eq!(world.statuses(), [503]);
    world.command(Command::Trunk { trunk, order: TrunkOrder::Resume });
    world.datagram(crate::world::TRUNK, &Script::new("resumed").invite());
    assert_eq!(world.statuses(), [100]);
}

#[test]
fn the_server_leaves_every_provider() {
    let (mut world, _) = registered(provider());
    world.command(Command::Leave);
    assert_eq!(world.only().header("Expires"), Some("0"));
    world.pass(Duration::from_secs(100));
    assert!(!world.ua.is_leaving(), "a registrar that does not answer keeps nobody");
    world.pass(Duration::from_secs(10_000));
    assert!(world.take().iter().all(|sent| sent.header("Expires") == Some("0")));
}

#[test]
fn options_tell_how_it_is_and_move_to_another_target() {
    let mut watched = provider();
    (watched.register, watched.options_every) = (None, Some(Duration::from_secs(30)));
    let (mut world, probe) = begin(watched);
    assert_eq!(probe.start(), "OPTIONS sip:carrier.example SIP/2.0");
    world.datagram(FIRST, &probe.answer("401 Unauthorized", "c", ASK, ""));
    assert!(world.take().is_empty(), "no digest is spent on that");
    assert_eq!(news(&mut world), [TrunkNews::Pulse(Pulse::Up)]);
    world.pass(Duration::from_secs(29));
    assert!(world.take().is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.take()[0].flow.remote, FIRST.parse().unwrap());
    world.pass(Duration::from_secs(5));
    assert_eq!(news(&mut world), [TrunkNews::Pulse(Pulse::Degraded)]);
    world.take();
    world.pass(Duration::from_secs(16));
    assert!(world.take().iter().all(|sent| sent.flow.remote == FIRST.parse().unwrap()), "once more");
    world.pass(Duration::from_secs(9));
    let moved = world.take();
    assert!(moved.iter().all(|sent| sent.flow.remote == SECOND.parse().unwrap()), "then elsewhere");
    let latest = moved.last().unwrap();
    world.datagram(SECOND, &latest.answer("200 OK", "c", "", ""));
    assert_eq!(world.ua.trunks(world.now)[0].pulse, Pulse::Degraded);
    world.pass(Duration::from_secs(10));
    let latest = world.take().pop().unwrap();
    world.datagram(SECOND, &latest.answer("404 Not Found", "c", "", ""));
    assert_eq!(world.ua.trunks(world.now)[0].pulse, Pulse::Up);
    assert_eq!(world.ua.trunks(world.now)[0].target, Some(target(SECOND, Transport::Udp)));
}

#[test]
fn a_dead_home_is_left_for_another_one() {
    let mut watched = provider();
    watched.options_every = Some(Duration::from_secs(30));
    let mut world = World::with(with(watched));
    located(&mut world);
    for sent in world.take() {
        let answer =
            if sent.method() == "REGISTER" { ok(&sent, 600) } else { sent.answer("200 OK", "c", "", "") };
        world.datagram(FIRST, &answer);
    }
    assert!(matches!(standing(&world), Standing::Registered { .. }));
    world.pass(Duration::from_secs(55));
    let moved =
        world.take().into_iter().find(|sent| sent.method() == "REGISTER").expect("a REGISTER elsewhere");
    assert_eq!(moved.flow.remote, SECOND.parse().unwrap());
    assert!(!tag(moved.header("From").unwrap()).is_empty());
}

#[test]
fn nothing_that_is_shown_names_the_login() {
    let config = with(provider());
    let shown = format!("{config:?}");
    assert!(!shown.contains("geheim") && shown.contains("Login(‹secret›)"), "{shown}");
}
