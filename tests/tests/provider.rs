//! Providers that we register with, played by SIPp and by Kamailio, found through a name server of the test's own.
#![expect(clippy::expect_used, reason = "helpers of tests may fail the test")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use vorzimmer_tests::names::{NameServer, Record};
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};
use vorzimmer_tests::{ports, wait};

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

struct Kamailio(Child);

impl Kamailio {
    /// A provider with a registrar: log-in `account`, and every call goes to whom has registered.
    fn start(folder: &Path, address: &str, password: &str) -> Self {
        let config = format!(
            r#"#!KAMAILIO
debug=1
log_stderror=yes
fork=no
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{address}
alias="carrier.example"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
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
        let file = folder.join("kamailio.cfg");
        fs::write(&file, config).expect("Kamailio's configuration");
        let log = fs::File::create(folder.join("kamailio.log")).expect("Kamailio's log");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-f"])
            .arg(&file)
            .arg("-Y")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn()
            .expect("Kamailio starts: install Debian's kamailio");
        Self(child)
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        drop(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status());
        drop(self.0.wait());
    }
}

#[test]
fn kamailio_registers_us_and_a_call_comes_over_that_registration() {
    let scratch = tempfile::tempdir().expect("a folder");
    let address = format!("127.0.0.4:{}", ports::block(2));
    let _kamailio = Kamailio::start(scratch.path(), &address, "geheim-wie-nie");
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

#[test]
fn a_wrong_password_is_tried_once_and_told_loudly() {
    let scratch = tempfile::tempdir().expect("a folder");
    let address = format!("127.0.0.4:{}", ports::block(2));
    let _kamailio = Kamailio::start(scratch.path(), &address, "something else");
    let setup = with_provider(None, &format!("server = \"{address}\"\ntransport = \"udp\"\noptions_s = 0\n"));
    let server = Server::start(&setup);
    let row = wait::until("the refusal", LONG, || {
        Some(carrier(&server)).filter(|row| row["registration"] == "refused")
    });
    assert_eq!(row["refused_with"], 401);
    assert!(server.output().contains("the password or the user name is wrong"), "{}", server.output());
}
