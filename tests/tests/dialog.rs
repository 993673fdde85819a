//! The whole dialog, played by SIPp: session timers, UPDATE, reliable answers, forks, glare, and what carriers send besides.

use std::time::Duration;

use vorzimmer_tests::ports;
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::sipp::{self, Run, Sipp};

const OFF: &str = "+493023125010";
const LONG: Duration = Duration::from_secs(90);

fn trunk(server: &Server, scenario: &str, talk_ms: &str) -> Sipp {
    let more = ["-d", talk_ms];
    Sipp::start(server.folder(), &Run { more: &more, ..run(server, scenario, OFF) })
}

fn run<'a>(server: &'a Server, scenario: &'a str, service: &'a str) -> Run<'a> {
    Run { scenario, server: &server.sip, transport: "u1", service, calls: 1, rate: 1, port: None, more: &[] }
}

/// Registers Anna's phone, then plays `scenario` there.
fn anna(server: &Server, scenario: &str) -> Sipp {
    let port = ports::block(2);
    sipp::register(server, "anna", port);
    Sipp::start(server.folder(), &Run { port: Some(port), ..run(server, scenario, "anna") })
}

fn record_of(server: &Server) -> serde_json::Value {
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    shown["record"].clone()
}

#[test]
fn rfc_4028_and_3311_a_trunk_asks_for_too_little_refreshes_holds_and_resumes_by_update() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-answers");
    trunk(&server, "trunk-update", "0").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["disposition"], "handled");
}

#[test]
fn rfc_4028_a_phone_is_refreshed_by_update_and_by_reinvite() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-refreshed");
    trunk(&server, "trunk-talk", "36000").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["ended_by"], "caller");
}

#[test]
fn rfc_4028_a_phone_that_does_not_refresh_is_given_up_with_a_reason() {
    let server = Server::start(&Setup::default());
    let anna = anna(&server, "receptionist-expires");
    trunk(&server, "trunk-hears-bye", "0").passed(LONG);
    anna.passed(LONG);
    assert_eq!(record_of(&server)["ended_by"], "vorzimmer");
}
