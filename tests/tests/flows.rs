//! How a softphone of Debian's is reached: over two flows, of which one dies, idle or while it rings (RFC 5626); and through
//! a proxy that it registered through (RFC 3327).

use std::path::Path;
use std::time::Duration;

use vorzimmer_tests::baresip::{Baresip, Setup as Phone};
use vorzimmer_tests::cable::Cable;
use vorzimmer_tests::kamailio::Kamailio;
use vorzimmer_tests::server::{DIRECTORY, PASSWORD, Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};
use vorzimmer_tests::{ports, tone, wait};

const OFF: &str = "+493023125010";
const LONG: Duration = Duration::from_secs(60);

/// Anna's phone, registered over both cables.
fn anna(folder: &Path, server: &Server, cables: [&Cable; 2]) -> Baresip {
    let speaks = folder.join("anna.wav");
    tone::write_sine(&speaks, 1_015.0, 120.0);
    let setup = Phone {
        user: "anna",
        password: Some(PASSWORD),
        server: &server.sip,
        transport: "tcp",
        codecs: "PCMA",
        speaks: &speaks,
        answers: false,
        ptime_ms: 20,
        dtmf: "rtpevent",
    };
    let [first, second] = cables.map(|cable| &cable.sip);
    let flows = format!(
        ";sipnat=outbound;outbound=\"sip:{first};transport=tcp\";outbound2=\"sip:{second};transport=tcp\""
    );
    let phone = Baresip::start_with(folder, &setup, &flows);
    wait::until("two flows", LONG, || {
        let bound = server.json(&["registrations"]);
        bound.as_array().is_some_and(|bound| bound.len() == 2).then_some(())
    });
    phone
}

fn calls(server: &Server) -> Sipp {
    let run = Run {
        scenario: "trunk-talk",
        server: &server.sip,
        transport: "u1",
        service: OFF,
        calls: 1,
        rate: 1,
        port: None,
        more: &["-d", "12000"],
    };
    Sipp::start(server.folder(), &run)
}

#[test]
fn a_phone_with_two_flows_is_reached_over_the_other_when_one_dies_even_while_it_rings() {
    let directory = DIRECTORY.replace("timeout = 5 }", "timeout = 50 }");
    let server = Server::start(&Setup { directory, ..Setup::default() });
    let folder = tempfile::tempdir().expect("a folder");
    let cables = [Cable::plug(&server.sip), Cable::plug(&server.sip)];
    let mut anna = anna(folder.path(), &server, [&cables[0], &cables[1]]);

    // One device rings once, over one of its flows; and when that dies, over the other.
    let talk = calls(&server);
    anna.event("CALL_INCOMING", LONG);
    let rung = |cable: &Cable| cable.has_carried("INVITE sip:");
    let (dies, stays) =
        if rung(&cables[0]) == 1 { (&cables[0], &cables[1]) } else { (&cables[1], &cables[0]) };
    assert_eq!((rung(dies), rung(stays)), (1, 0), "{}", anna.log());
    dies.pull();
    anna.event("CALL_CLOSED", LONG);
    anna.event("CALL_INCOMING", LONG);
    assert_eq!((rung(dies), rung(stays), stays.has_carried("CANCEL sip:")), (1, 1, 1), "{}", anna.log());
    anna.accept();
    anna.event("CALL_ESTABLISHED", LONG);
    talk.passed(LONG);
    anna.event("CALL_CLOSED", LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "handled", "{shown}");
    assert_eq!(
        shown["record"]["legs"].as_array().map(Vec::len),
        Some(1),
        "nobody above has noticed: {shown}"
    );

    // From then on over the one that is left.
    let talk = calls(&server);
    anna.event("CALL_INCOMING", LONG);
    assert_eq!(rung(stays), 2, "{}", anna.log());
    anna.accept();
    talk.passed(LONG);
}

#[test]
fn a_phone_behind_kamailio_is_rung_through_it() {
    let server = Server::start(&Setup::default());
    let folder = tempfile::tempdir().expect("a folder");
    let proxy = format!("127.0.0.4:{}", ports::block(2));
    let routes = format!(
        r#"loadmodule "path.so"
request_route {{
    if (is_method("REGISTER")) {{
        add_path();
        $du = "sip:{server}";
        t_relay();
        exit;
    }}
    if (is_method("CANCEL")) {{ t_relay(); exit; }}
    if (!has_totag()) {{
        # Where the Path that the phone registered with says: of a first request it is no route that a dialog has set.
        if (!is_present_hf("Route")) {{ sl_send_reply("404", "Not through here"); exit; }}
        record_route();
    }}
    loose_route();
    t_relay();
}}
"#,
        server = server.sip
    );
    let _kamailio = Kamailio::start(folder.path(), &proxy, &routes);
    let speaks = folder.path().join("anna.wav");
    tone::write_sine(&speaks, 1_015.0, 60.0);
    let setup = Phone {
        user: "anna",
        password: Some(PASSWORD),
        server: &proxy,
        transport: "udp",
        codecs: "PCMA",
        speaks: &speaks,
        answers: true,
        ptime_ms: 20,
        dtmf: "rtpevent",
    };
    let mut anna = Baresip::registered(folder.path(), &setup);
    let talk = calls(&server);
    anna.event("CALL_ESTABLISHED", LONG);
    talk.passed(LONG);
    anna.event("CALL_CLOSED", LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "handled", "{shown}");
}
