//! Providers that we register with, played by SIPp and by Kamailio, found through a name server of the test's own.
#![expect(clippy::expect_used, reason = "helpers of tests may fail the test")]

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::crowd::words::{Message, sdp};
use vorzimmer_tests::kamailio::Kamailio;
use vorzimmer_tests::line;
use vorzimmer_tests::names::{NameServer, Record};
use vorzimmer_tests::server::{DIRECTORY, PASSWORD, Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};
use vorzimmer_tests::{ports, tone, wait};

const OFF: &str = "+493023125010";
const LONG: Duration = Duration::from_secs(60);
const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn play<'a>(scenario: &'a str, server: &'a str, port: u16) -> Run<'a> {
    Run { scenario, server, transport: "u1", service: OFF, calls: 1, rate: 1, port: Some(port), more: &[] }
}

fn with_provider(names: Option<&NameServer>, provider: &str) -> Setup {
    let environment = vec![("CARRIER_LOGIN".to_owned(), "geheim-wie-nie".to_owned())];
    let mut setup = Setup {
        more: format!(
            "[trunks.carrier.provider]\ndomain = \"carrier.example\"\nregister = true\nlogin = \"account\"\n\
             login_password_env = \"CARRIER_LOGIN\"\n{provider}"
        ),
        environment,
        ..Setup::default()
    };
    if let Some(names) = names {
        setup.environment.push(("VORZIMMER_SIP__NAME_SERVERS".into(), names.address.to_string()));
    }
    setup
}

fn carrier(server: &Server) -> Value {
    let all = server.json(&["trunks"]);
    let rows = all.as_array().expect("a list of trunks");
    rows.iter().find(|row| row["name"] == "carrier").expect("the trunk").clone()
}

fn registered(server: &Server) -> Value {
    wait::until("the registration", LONG, || {
        Some(carrier(server)).filter(|row| row["registration"] == "registered")
    })
}

#[test]
fn the_second_server_takes_what_the_first_cannot_after_every_kind_of_no() {
    let (busy, good) = (ports::block(2), ports::block(2));
    let names = NameServer::start(vec![
        ("carrier.example", Record::Naptr(10, "SIP+D2U", "_sip._udp.carrier.example")),
        ("_sip._udp.carrier.example", Record::Srv(1, busy, "a.carrier.example")),
        ("_sip._udp.carrier.example", Record::Srv(2, good, "b.carrier.example")),
        ("a.carrier.example", Record::A(LOCALHOST)),
        ("b.carrier.example", Record::A(LOCALHOST)),
    ]);
    let scratch = tempfile::tempdir().expect("a folder");
    let first = Sipp::start(scratch.path(), &play("provider-busy", "127.0.0.1:9", busy));
    let second = Sipp::start(scratch.path(), &play("provider-registrar", "127.0.0.1:9", good));
    let mut server = Server::start(&with_provider(Some(&names), "expires_s = 60\noptions_s = 0\n"));
    let row = registered(&server);
    assert_eq!(row["server"], format!("UDP 127.0.0.1:{good}"));
    assert_eq!(row["servers"], 2);
    assert!(row["registered_for_s"].as_u64().is_some_and(|left| (100..=120).contains(&left)), "{row}");
    let metrics = server.get("/metrics").expect("metrics").1;
    assert!(metrics.contains("vorzimmer_trunk_registered{trunk=\"carrier\"} 1"), "{metrics}");
    let refused = first.passed(LONG);
    assert!(!refused.0.contains("Authorization"), "who only says 503 gets no digest");
    server.terminate();
    server.ended(Duration::from_secs(20));
    let seen = second.passed(LONG);
    for nobodys in ["User-Agent", "geheim-wie-nie", "Vorzimmer"] {
        assert!(!seen.0.contains(nobodys), "{nobodys} was sent:\n{}", seen.0);
    }
    assert!(server.output().contains("the registration was given back"), "{}", server.output());
    assert!(!server.output().contains("geheim-wie-nie"));
}

/// A provider with a registrar: log-in `account`, and every call goes to whom has registered.
fn registrar(folder: &Path, address: &str, password: &str) -> Kamailio {
    let routes = format!(
        r#"alias="carrier.example"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("auth", "nonce_expire", 5)
modparam("registrar", "max_expires", 600)
request_route {{
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("carrier.example", "{password}", "0")) {{
            www_challenge("carrier.example", "1");
            exit;
        }}
        save("location");
        exit;
    }}
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    if (is_method("CANCEL")) {{ t_relay(); exit; }}
    record_route();
    $ru = "sip:account@carrier.example";
    if (!lookup("location")) {{ sl_send_reply("480", "Nobody there"); exit; }}
    t_relay();
}}
"#
    );
    Kamailio::start(folder, address, &routes)
}

#[test]
fn kamailio_registers_us_and_a_call_comes_over_that_registration() {
    let scratch = tempfile::tempdir().expect("a folder");
    let address = format!("127.0.0.4:{}", ports::block(2));
    let _kamailio = registrar(scratch.path(), &address, "geheim-wie-nie");
    let setup = with_provider(None, &format!("server = \"{address}\"\ntransport = \"udp\"\noptions_s = 5\n"));
    let server = Server::start(&setup);
    registered(&server);
    wait::until("the trunk to be up", LONG, || Some(()).filter(|()| carrier(&server)["state"] == "up"));
    let mut call = play("trunk-hears-bye", &address, ports::block(2));
    call.port = None;
    Sipp::start(server.folder(), &call).passed(LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["did"], OFF);
    // Draining: the registration goes, and with it the calls.
    server.cli_ok(&["trunks", "drain", "carrier"]);
    wait::until("the registration to be given back", LONG, || {
        let row = carrier(&server);
        (row["registration"] == "given back" && row["draining"] == true).then_some(())
    });
    server.cli_ok(&["trunks", "resume", "carrier"]);
    registered(&server);
    assert!(!server.cli(&["trunks", "drain", "nobody"]).status.success());
}

/// A provider with bulk registration (RFC 6140) that takes calls out over the route it gave (RFC 3608) and over no other.
fn bulk_registrar(folder: &Path, address: &str, boss: u16) -> Kamailio {
    let routes = format!(
        r#"alias="carrier.example"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
request_route {{
    if (is_method("REGISTER")) {{
        if (!($hdr(Require) =~ "gin") || !($hdr(Contact) =~ ";bnc>")) {{ sl_send_reply("421", "Extension Required"); exit; }}
        if (!pv_www_authenticate("carrier.example", "geheim-wie-nie", "0")) {{ www_challenge("carrier.example", "1"); exit; }}
        append_to_reply("Service-Route: <sip:{address};lr>\r\n");
        save("location");
        exit;
    }}
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
    if (has_totag()) {{ loose_route(); t_relay(); exit; }}
    if (is_method("CANCEL")) {{ t_relay(); exit; }}
    record_route();
    if ($rU == "+4989123456") {{
        if ($hdr(Route) != "<sip:{address};lr>") {{ sl_send_reply("403", "Not over the Service-Route"); exit; }}
        loose_route();
        $du = "sip:127.0.0.1:{boss}";
        t_relay();
        exit;
    }}
    $var(number) = $rU;
    $ru = "sip:account@carrier.example";
    if (!lookup("location")) {{ sl_send_reply("480", "Nobody there"); exit; }}
    $rU = $var(number);
    t_relay();
}}
"#
    );
    Kamailio::start(folder, address, &routes)
}

#[test]
fn every_number_comes_in_over_one_bulk_registration_and_calls_go_out_over_its_route() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (address, boss) = (format!("127.0.0.4:{}", ports::block(2)), ports::block(2));
    let _kamailio = bulk_registrar(scratch.path(), &address, boss);
    let provider = format!("server = \"{address}\"\ntransport = \"udp\"\nbulk = true\noptions_s = 0\n");
    let mut setup = with_provider(None, &format!("{provider}[trunks.carrier.outbound]\n"));
    setup.directory = with_boss();
    let server = Server::start(&setup);
    registered(&server);
    let mut call = play("trunk-hears-bye", &address, ports::block(2));
    call.port = None;
    Sipp::start(server.folder(), &call).passed(LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["did"], OFF);

    let answers = Sipp::start(server.folder(), &play("receptionist-answers", "127.0.0.1:9", boss));
    let (mut caller, mut anna) = put_through(&server, scratch.path());
    anna.event("CALL_CLOSED", LONG);
    caller.hangup();
    let asked = answers.passed(LONG);
    assert!(asked.0.contains("INVITE sip:+4989123456@carrier.example"), "{}", asked.0);
}

#[test]
fn a_wrong_password_is_tried_once_and_told_loudly() {
    let scratch = tempfile::tempdir().expect("a folder");
    let address = format!("127.0.0.4:{}", ports::block(2));
    let _kamailio = registrar(scratch.path(), &address, "something else");
    let setup = with_provider(None, &format!("server = \"{address}\"\ntransport = \"udp\"\noptions_s = 0\n"));
    let server = Server::start(&setup);
    let row = wait::until("the refusal", LONG, || {
        Some(carrier(&server)).filter(|row| row["registration"] == "refused")
    });
    assert_eq!(row["refused_with"], 401);
    assert!(server.output().contains("the password or the user name is wrong"), "{}", server.output());
}

/// A customer who is never recorded, and has somebody outside to talk to.
fn with_boss() -> String {
    let boss = "[[customer.contact]]\nshort = \"21\"\nname = \"The Boss\"\nreach = [\"+4989123456\"]\n\n[[customer]]\nkey = \"ask\"";
    DIRECTORY.replace("[[customer]]\nkey = \"ask\"", boss)
}

fn phone(folder: &Path, server: &str, name: &str) -> Baresip {
    let speaks = folder.join(format!("{name}.wav"));
    tone::write_sine(&speaks, 440.0, 60.0);
    let receptionist = name == "anna";
    let setup = Phone {
        user: name,
        password: receptionist.then_some(PASSWORD),
        server,
        transport: "udp",
        codecs: "PCMA",
        speaks: &speaks,
        answers: receptionist,
        ptime_ms: 20,
        dtmf: "rtpevent",
    };
    if receptionist { Baresip::registered(folder, &setup) } else { Baresip::start(folder, &setup) }
}

/// A self-signed certificate for this name.
fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let certificate = params.self_signed(&key).expect("signed");
    line::keep(folder, name, &certificate.pem(), &key.serialize_pem())
}

/// The caller talks to Anna, who puts him through to the boss.
fn put_through(server: &Server, folder: &Path) -> (Baresip, Baresip) {
    let mut anna = phone(folder, &server.sip, "anna");
    let mut caller = phone(folder, &server.sip, "caller");
    caller.dial(&format!("sip:{OFF}@{}", server.sip));
    anna.event("CALL_ESTABLISHED", LONG);
    caller.event("CALL_ESTABLISHED", LONG);
    anna.command("transfer", &format!("sip:21@{}", server.sip));
    (caller, anna)
}

#[test]
fn a_caller_is_put_through_by_the_second_provider_over_tls_when_the_first_one_cannot() {
    let scratch = tempfile::tempdir().expect("a folder");
    let unwilling = ports::block(2);
    let shows = certificate(scratch.path(), "sip.carrier.example");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener that does not block");
    let there = listener.local_addr().expect("its address");
    let mut setup = with_provider(None, "");
    setup.directory = with_boss();
    setup.more = format!(
        "[trunks.first.provider]\ndomain = \"127.0.0.1\"\nserver = \"127.0.0.1:{unwilling}\"\ntransport = \"udp\"\n\
         options_s = 0\n[trunks.first.outbound]\n\
         [trunks.second.provider]\ndomain = \"sip.carrier.example\"\nserver = \"{there}\"\ntransport = \"tls\"\n\
         ca = {:?}\nlogin = \"account\"\nlogin_password_env = \"CARRIER_LOGIN\"\noptions_s = 0\n\
         [trunks.second.outbound]\nnumbers = \"national\"\nuser_phone = false\nidentity = \"preferred\"\n\
         diversion = \"diversion\"\n[routes]\n\"+49\" = [\"first\", \"second\"]\n",
        shows.0
    );
    let server = Server::start(&setup);
    let first = Sipp::start(server.folder(), &play("provider-unwilling", "127.0.0.1:9", unwilling));
    let (mut caller, mut anna) = put_through(&server, scratch.path());

    let (mut second, asked_for) = line::take(&listener, (&shows.0, &shows.1)).expect("TLS");
    assert_eq!(asked_for.as_deref(), Some("sip.carrier.example"), "SNI");
    let invite = second.receive().expect("an INVITE");
    let invite = Message(&invite);
    assert!(invite.0.starts_with("INVITE sip:089123456@sip.carrier.example SIP/2.0"), "{}", invite.0);
    let names: Vec<&str> = invite.0.split("\r\n\r\n").next().unwrap_or_default().lines().skip(1).collect();
    let names: Vec<&str> = names.iter().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let expected = "Via Max-Forwards From To Call-ID CSeq Contact Allow Supported Session-Expires \
                    P-Preferred-Identity Diversion Content-Type Content-Length";
    assert_eq!(names.join(" "), expected, "and nothing else");
    assert_eq!(invite.header("P-Preferred-Identity"), Some("<sip:03023125010@sip.carrier.example>"));
    assert!(!invite.0.contains("Vorzimmer"), "{}", invite.0);
    let ask =
        "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n";
    second.send(&invite.answer("407 Proxy Authentication Required", "p", ask, "")).expect("407");
    assert_eq!(Message(&second.receive().expect("an ACK")).method(), Some("ACK"));
    let proven = second.receive().expect("an INVITE");
    let proven = Message(&proven);
    assert!(proven.header("Proxy-Authorization").is_some_and(|shown| shown.contains("username=\"account\"")));
    let media = ports::block(2);
    let contact = format!("Contact: <sip:gw@{there};transport=tls>\r\n");
    second.send(&proven.answer("180 Ringing", "gw", &contact, "")).expect("180");
    second.send(&proven.answer("200 OK", "gw", &contact, &sdp(media))).expect("200");
    assert_eq!(Message(&second.receive().expect("an ACK")).method(), Some("ACK"));
    anna.event("CALL_CLOSED", LONG);

    caller.hangup();
    let bye = second.receive().expect("a BYE");
    let bye = Message(&bye);
    assert_eq!(bye.method(), Some("BYE"), "{}", bye.0);
    assert!(bye.header("Reason").is_some_and(|reason| reason.starts_with("Q.850 ;cause=16")), "{}", bye.0);
    second.send(&bye.answer("200 OK", "gw", "", "")).expect("200");
    let refused = first.passed(LONG);
    assert!(refused.0.contains("INVITE sip:+4989123456@127.0.0.1;user=phone"), "{}", refused.0);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    let legs = shown["record"]["legs"].as_array().expect("legs");
    let by: Vec<_> = legs.iter().map(|leg| leg["trunk"].as_str()).collect();
    assert_eq!(by, [None, Some("first"), Some("second")], "{shown}");
    assert_eq!(
        (&legs[1]["outcome"]["status"], &legs[1]["cause"]["q850"]),
        (&503.into(), &34.into()),
        "{shown}"
    );
}

#[test]
fn a_provider_whose_certificate_is_anothers_gets_no_call() {
    let scratch = tempfile::tempdir().expect("a folder");
    let shows = certificate(scratch.path(), "sip.evil.example");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener that does not block");
    let there = listener.local_addr().expect("its address");
    let mut setup = with_provider(None, "");
    setup.directory = with_boss();
    setup.more = format!(
        "[trunks.out.provider]\ndomain = \"sip.carrier.example\"\nserver = \"{there}\"\ntransport = \"tls\"\n\
         ca = {:?}\noptions_s = 0\n[trunks.out.outbound]\n",
        shows.0
    );
    let server = Server::start(&setup);
    let (mut caller, mut anna) = put_through(&server, scratch.path());
    // RFC 5922 §7.3: the authority is believed, the name is not the one.
    let taken = line::take(&listener, (&shows.0, &shows.1));
    assert!(taken.is_err() || taken.is_ok_and(|(mut line, _)| line.receive().is_none()));
    anna.event("TRANSFER_FAILED", LONG);
    caller.hangup();
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["legs"][1]["outcome"]["status"], 503, "{shown}");
}

#[test]
fn nobody_waits_for_a_provider_that_says_nothing() {
    let scratch = tempfile::tempdir().expect("a folder");
    let (silent, boss) = (UdpSocket::bind("127.0.0.1:0").expect("a port"), ports::block(2));
    let mut setup = with_provider(None, "");
    setup.directory = with_boss();
    let trunk = |name: &str, port: u16| {
        format!(
            "[trunks.{name}.provider]\ndomain = \"127.0.0.1\"\nserver = \"127.0.0.1:{port}\"\ntransport = \"udp\"\n\
             options_s = 0\n[trunks.{name}.outbound]\n"
        )
    };
    setup.more = trunk("a-silent", silent.local_addr().expect("its address").port()) + &trunk("b-good", boss);
    let server = Server::start(&setup);
    let good = Sipp::start(server.folder(), &play("receptionist-answers", "127.0.0.1:9", boss));
    let (mut caller, mut anna) = put_through(&server, scratch.path());
    anna.event("CALL_CLOSED", LONG);
    caller.hangup();
    good.passed(LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    let legs = shown["record"]["legs"].as_array().expect("legs");
    assert_eq!(
        (&legs[1]["trunk"], &legs[1]["outcome"]["status"]),
        (&"a-silent".into(), &408.into()),
        "{shown}"
    );
    assert_eq!(legs[2]["trunk"], "b-good");
}
