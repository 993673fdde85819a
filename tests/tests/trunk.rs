//! A trunk and receptionists' phones played by SIPp: what carriers send, and what they must get.

use std::time::Duration;

use vorzimmer_tests::ports;
use vorzimmer_tests::server::{PASSWORD, Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};

const OFF: &str = "+493023125010";
const ASK: &str = "+493023125011";
const IN_ORDER: &str = "+493023125014";
const LONG: Duration = Duration::from_secs(60);

fn run<'a>(server: &'a Server, scenario: &'a str, service: &'a str) -> Run<'a> {
    Run { scenario, server: &server.sip, transport: "u1", service, calls: 1, rate: 1, port: None, more: &[] }
}

/// Registers a receptionist's phone that SIPp plays on `port`, then plays `scenario` there.
fn desk(server: &Server, login: &str, scenario: &str, more: &[&str]) -> Sipp {
    let port = ports::block(2);
    let mut register = run(server, "receptionist-register", login);
    register.port = Some(port);
    let credentials = ["-au", login, "-ap", PASSWORD];
    register.more = &credentials;
    Sipp::start(server.folder(), &register).passed(LONG);
    let mut play = run(server, scenario, login);
    play.port = Some(port);
    play.more = more;
    Sipp::start(server.folder(), &play)
}

#[test]
fn a_forwarded_call_is_answered_rung_and_ended_by_the_caller() {
    let server = Server::start(&Setup::default());
    let anna = desk(&server, "anna", "receptionist-answers", &[]);
    let mut call = run(&server, "trunk-talk", OFF);
    call.more = &["-d", "3000"];
    let seen = Sipp::start(server.folder(), &call).passed(LONG);
    anna.passed(LONG);
    assert!(seen.count("SIP/2.0 200") >= 2, "one for the INVITE, one for the BYE");
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    let record = &shown["record"];
    assert_eq!(record["disposition"], "handled");
    assert_eq!(record["did"], OFF);
    assert_eq!(record["caller"]["address"], "+493023125900");
    assert_eq!(record["chain"][0]["from"], "+493023125777");
    assert_eq!(record["chain"][0]["reason"], "unconditional");
}

#[test]
fn the_receptionist_hangs_up_and_the_trunk_gets_the_bye() {
    let server = Server::start(&Setup::default());
    let anna = desk(&server, "anna", "receptionist-hangs-up", &["-d", "2000"]);
    Sipp::start(server.folder(), &run(&server, "trunk-hears-bye", OFF)).passed(LONG);
    anna.passed(LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["ended_by"], "receptionist");
}

#[test]
fn a_digit_by_rfc_4733_is_a_yes_and_the_talk_is_recorded() {
    let server = Server::start(&Setup::default());
    let anna = desk(&server, "anna", "receptionist-answers", &[]);
    let mut call = run(&server, "trunk-digit", ASK);
    call.more = &["-d", "8000"];
    Sipp::start(server.folder(), &call).passed(LONG);
    anna.passed(LONG);
    let shown = server.call_record("the recording", |record| record["recordings"][0]["result"] == "ok");
    assert_eq!(shown["record"]["consent"][0]["method"]["digit"], "1");
}

#[test]
fn nobody_registered_is_announced_and_ended_cleanly() {
    let server = Server::start(&Setup::default());
    Sipp::start(server.folder(), &run(&server, "trunk-hears-bye", OFF)).passed(LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "unanswered");
}

#[test]
fn nobody_answers_and_the_phones_stop_ringing() {
    let server = Server::start(&Setup::default());
    let anna = desk(&server, "anna", "receptionist-is-cancelled", &[]);
    Sipp::start(server.folder(), &run(&server, "trunk-hears-bye", OFF)).passed(LONG);
    anna.passed(LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["disposition"], "unanswered");
    assert_eq!(shown["record"]["legs"][0]["outcome"]["is"], "timed-out");
}

#[test]
fn busy_from_everybody_is_announced() {
    let server = Server::start(&Setup::default());
    let anna = desk(&server, "anna", "receptionist-busy", &[]);
    let ben = desk(&server, "ben", "receptionist-busy", &[]);
    Sipp::start(server.folder(), &run(&server, "trunk-hears-bye", OFF)).passed(LONG);
    anna.passed(LONG);
    ben.passed(LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    let outcomes: Vec<_> =
        shown["record"]["legs"].as_array().expect("legs").iter().map(|l| &l["outcome"]).collect();
    assert!(outcomes.iter().all(|outcome| outcome["status"] == 486), "{outcomes:?}");
    assert_eq!(shown["record"]["disposition"], "unanswered");
}

#[test]
fn the_first_answer_wins_and_the_other_phone_is_told_why() {
    let server = Server::start(&Setup::default());
    let anna = desk(&server, "anna", "receptionist-answers", &[]);
    let ben = desk(&server, "ben", "receptionist-is-cancelled", &[]);
    let mut call = run(&server, "trunk-talk", OFF);
    call.more = &["-d", "3000"];
    Sipp::start(server.folder(), &call).passed(LONG);
    anna.passed(LONG);
    let seen = ben.passed(LONG);
    assert!(seen.0.contains("cause=200"), "the CANCEL says that the call was taken elsewhere:\n{}", seen.0);
}

#[test]
fn a_plan_in_order_goes_on_after_its_timeout() {
    let server = Server::start(&Setup::default());
    let ben = desk(&server, "ben", "receptionist-is-cancelled", &[]);
    let anna = desk(&server, "anna", "receptionist-answers", &[]);
    let mut call = run(&server, "trunk-talk", IN_ORDER);
    call.more = &["-d", "6000"];
    Sipp::start(server.folder(), &call).passed(LONG);
    ben.passed(LONG);
    anna.passed(LONG);
    let shown = server.call_record("the call to end", |record| !record["ended_at"].is_null());
    assert_eq!(shown["record"]["legs"].as_array().map(Vec::len), Some(2));
}

#[test]
fn retransmissions_make_one_call() {
    let server = Server::start(&Setup::default());
    let seen = Sipp::start(server.folder(), &run(&server, "trunk-retransmits", OFF)).passed(LONG);
    assert!(seen.count("SIP/2.0 200") >= 3, "the INVITE's 200 twice at least, and the BYE's:\n{}", seen.0);
    let calls = server.json(&["call", "list"]);
    assert_eq!(calls.as_array().map(Vec::len), Some(1));
}

#[test]
fn a_reinvite_from_the_trunk_refreshes_holds_and_resumes() {
    let server = Server::start(&Setup::default());
    let anna = desk(&server, "anna", "receptionist-answers", &[]);
    Sipp::start(server.folder(), &run(&server, "trunk-reinvite", OFF)).passed(LONG);
    anna.passed(LONG);
}

#[test]
fn a_number_of_nobody_is_404_over_udp_and_tcp() {
    let server = Server::start(&Setup::default());
    for transport in ["u1", "t1"] {
        let mut call = run(&server, "trunk-refused", "+493023125099");
        call.transport = transport;
        Sipp::start(server.folder(), &call).passed(LONG);
    }
}

#[test]
fn many_calls_come_and_go_and_nothing_is_left() {
    let server = Server::start(&Setup::default());
    let mut call = run(&server, "trunk-hears-bye", OFF);
    (call.calls, call.rate) = (60, 30);
    Sipp::start(server.folder(), &call).passed(LONG);
    vorzimmer_tests::wait::until("no call to be left", Duration::from_secs(10), || {
        let (_, metrics) = server.get("/metrics")?;
        metrics
            .lines()
            .any(|line| line.starts_with("vorzimmer_calls_running") && line.ends_with(" 0"))
            .then_some(())
    });
}

#[test]
fn sigterm_drains() {
    let mut server = Server::start(&Setup::default());
    let anna = desk(&server, "anna", "receptionist-answers", &[]);
    let mut call = run(&server, "trunk-talk", OFF);
    call.more = &["-d", "5000"];
    let running = Sipp::start(server.folder(), &call);
    vorzimmer_tests::wait::until("the call to run", Duration::from_secs(10), || {
        let (_, metrics) = server.get("/metrics")?;
        metrics
            .lines()
            .any(|line| line.starts_with("vorzimmer_calls_running") && line.ends_with(" 1"))
            .then_some(())
    });
    server.terminate();
    vorzimmer_tests::wait::until("the server to say that it drains", Duration::from_secs(5), || {
        server.get("/ready").filter(|(status, _)| *status == 503)
    });
    Sipp::start(server.folder(), &run(&server, "trunk-busy-house", OFF)).passed(LONG);
    running.passed(LONG);
    anna.passed(LONG);
    server.ended(Duration::from_secs(20));
}
