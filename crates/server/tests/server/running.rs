//! The running server: sockets, readiness, metrics, draining.

use std::io::{Read, Write};
use std::net::TcpStream;

use vorzimmer_store::testing::Postgres;

use crate::installation::{Installation, SOON};
use crate::peer::Peer;

const NUMBER: &str = "+493023125010";

#[test]
fn a_trunk_is_answered_and_a_stranger_is_not_served() {
    let installation = Installation::new("").with_directory();
    let server = installation.serve();
    let trunk = Peer::at("127.0.0.2", server.udp());
    trunk.send(&trunk.request("OPTIONS", "ping", "options", ""));
    assert_eq!(trunk.receive().first_line(), "SIP/2.0 200 OK");

    let stranger = Peer::at("127.0.0.3", server.udp());
    stranger.send(&stranger.invite(NUMBER, "stranger"));
    // The trunk's second question comes after the stranger's, so its answer tells that the first was handled.
    trunk.send(&trunk.request("OPTIONS", "ping", "again", ""));
    assert_eq!(trunk.receive().first_line(), "SIP/2.0 200 OK");
    assert!(installation.json(&["call", "list"]).as_array().expect("a list").is_empty());
}

#[test]
fn a_trunk_may_come_over_a_stream() {
    let installation =
        Installation::new("[trunks.stream]\naddresses = [\"127.0.0.1/32\"]\n").with_directory();
    let server = installation.serve();
    let mut stream = TcpStream::connect(server.tcp()).expect("accepted");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    let request = "OPTIONS sip:ping@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKstream\r\n\
        Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:ping@127.0.0.1>\r\nCall-ID: stream\r\n\
        CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    // Cut anywhere.
    for piece in request.as_bytes().chunks(50) {
        stream.write_all(piece).expect("sent");
    }
    let mut answer = [0; 2000];
    let length = stream.read(&mut answer).expect("an answer");
    assert!(
        answer[..length].starts_with(b"SIP/2.0 200 OK"),
        "{}",
        String::from_utf8_lossy(&answer[..length])
    );
}

#[test]
fn health_readiness_and_metrics_are_there_and_name_nobody() {
    let installation = Installation::new("").with_directory();
    let server = installation.serve();
    let trunk = Peer::at("127.0.0.2", server.udp());
    trunk.send(&trunk.invite("+4930999999", "unknown-number"));
    trunk.expect("SIP/2.0 404");
    assert_eq!(server.page("/health").0, 200);
    let (status, ready) = server.page("/ready");
    assert_eq!(status, 200);
    for what in
        ["\"database\":{\"is\":\"well\"}", "\"recordings\":{\"is\":\"well\"}", "\"trunks\":[{\"name\":"]
    {
        assert!(ready.contains(what), "{what} is missing in {ready}");
    }
    let (status, metrics) = server.page("/metrics");
    assert_eq!(status, 200);
    for name in [
        "vorzimmer_calls_running",
        "vorzimmer_rtp_packets_total",
        "vorzimmer_sip_refused_total",
        "vorzimmer_spool_bytes",
        "vorzimmer_media_workers{driver=",
        "vorzimmer_recordings_free_bytes",
    ] {
        assert!(metrics.contains(name), "{name} is missing in {metrics}");
    }
    assert!(!metrics.contains("4915199999999") && !metrics.contains("anna"), "{metrics}");
}

#[test]
fn no_core_dump_and_no_file_for_others() {
    let installation = Installation::new("").with_directory();
    let server = installation.serve();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).expect("read");
    let core: Vec<&str> = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a line")
        .split_whitespace()
        .collect();
    assert_eq!(core[4..6], ["0", "0"], "soft and hard");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("read");
    assert!(status.lines().any(|line| line == "Umask:\t0077"), "{status}");
}

#[test]
fn without_calls_a_signal_ends_it_at_once_and_well() {
    let installation = Installation::new("").with_directory();
    let mut server = installation.serve();
    server.terminate();
    let (status, said) = server.ended();
    assert!(status.success(), "{said}");
    assert!(said.contains("the server has ended"), "{said}");
}

#[test]
fn draining_refuses_new_calls_and_lets_running_ones_end() {
    let installation = Installation::new("").with_directory();
    let mut server = installation.serve();
    let trunk = Peer::at("127.0.0.2", server.udp());
    trunk.send(&trunk.invite(NUMBER, "running"));
    let answer = trunk.expect("SIP/2.0 200");
    trunk.acknowledge(&answer, "running");

    server.terminate();
    server.wait_for("an order of the operator");
    let late = Peer::at("127.0.0.2", server.udp());
    late.send(&late.invite(NUMBER, "late"));
    let refused = late.expect("SIP/2.0 503");
    assert!(!refused.header("Retry-After").is_empty());
    assert_eq!(server.page("/health").0, 200, "alive while draining");

    // A second signal ends the running call, properly.
    server.terminate();
    let goodbye = trunk.expect("BYE ");
    trunk.accept(&goodbye);
    let (status, said) = server.ended();
    assert!(status.success() && said.contains("the server has ended"), "{said}");
    assert!(!said.contains("were cut off"), "{said}");
    let calls = installation.json(&["call", "list"]);
    let running = calls.as_array().expect("a list").iter().find(|call| call["answered_at"].is_number());
    assert_eq!(running.expect("the running call")["ended_by"], "vorzimmer", "{calls}");
}

#[test]
fn the_deadline_ends_calls_that_do_not_end_by_themselves() {
    let installation = Installation::new("[drain]\ndeadline_s = 1\n").with_directory();
    let mut server = installation.serve();
    let trunk = Peer::at("127.0.0.2", server.udp());
    trunk.send(&trunk.invite(NUMBER, "stubborn"));
    let answer = trunk.expect("SIP/2.0 200");
    trunk.acknowledge(&answer, "stubborn");
    server.terminate();
    let goodbye = trunk.expect("BYE ");
    trunk.accept(&goodbye);
    let (status, said) = server.ended();
    assert!(status.success() && said.contains("the deadline has come"), "{said}");
}

#[test]
fn the_log_names_nobody() {
    let installation = Installation::new("[logs]\nlevel = \"trace\"\nformat = \"json\"\n").with_directory();
    let mut server = installation.serve();
    let trunk = Peer::at("127.0.0.2", server.udp());
    trunk.send(&trunk.invite(NUMBER, "logged"));
    let answer = trunk.expect("SIP/2.0 200");
    trunk.acknowledge(&answer, "logged");
    server.terminate();
    server.terminate();
    let goodbye = trunk.expect("BYE ");
    trunk.accept(&goodbye);
    let (_, said) = server.ended();
    assert!(said.lines().filter(|line| line.starts_with('{')).count() > 5, "{said}");
    for personal in ["4915199999999", "493023125010", "Anna", "127.0.0.2"] {
        assert!(!said.contains(personal), "{personal} is in the log:\n{said}");
    }
}

fn on_postgresql(postgres: &Postgres) -> Installation {
    let url = postgres.create_database().expect("a database");
    let installation = Installation::new("");
    let config = installation.path("vorzimmer.toml");
    let text = std::fs::read_to_string(&config).expect("read");
    let text = text.replace("[data]\n", &format!("[data]\ndatabase = {url:?}\n"));
    std::fs::write(&config, text).expect("written");
    installation.with_directory()
}

#[test]
fn a_database_that_stands_still_stops_no_call_and_loses_none() {
    let postgres = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let installation = on_postgresql(&postgres);
    let mut server = installation.serve();
    postgres.freeze().expect("frozen");
    let trunk = Peer::at("127.0.0.2", server.udp());
    trunk.send(&trunk.invite(NUMBER, "frozen"));
    let answer = trunk.expect("SIP/2.0 200");
    trunk.acknowledge(&answer, "frozen");
    server.wait_for("not ready for calls");
    assert_eq!(server.page("/ready").0, 503);
    // The announcement that nobody is there ends the call, database or not.
    let goodbye = trunk.expect("BYE ");
    trunk.accept(&goodbye);
    postgres.thaw().expect("thawed");
    server.wait_for(" ready for calls");
    server.terminate();
    let (status, said) = server.ended();
    assert!(status.success(), "{said}");
    // What had not come out of the spool by then is written by the next start.
    drop(installation.serve());
    let calls = installation.json(&["call", "find", "--number", NUMBER]);
    assert_eq!(calls[0]["ended_by"], "vorzimmer", "{calls}");
}

#[test]
fn the_same_server_runs_on_postgresql() {
    let postgres = Postgres::shared().unwrap_or_else(|error| panic!("{error}"));
    let url = postgres.create_database().expect("a database");
    let installation = Installation::new("");
    let config = installation.path("vorzimmer.toml");
    let text = std::fs::read_to_string(&config).expect("read");
    std::fs::write(&config, text.replace("[data]\n", &format!("[data]\ndatabase = {url:?}\n")))
        .expect("written");
    let installation = installation.with_directory();
    let mut server = installation.serve();
    let trunk = Peer::at("127.0.0.2", server.udp());
    trunk.send(&trunk.invite(NUMBER, "postgres"));
    let answer = trunk.expect("SIP/2.0 200");
    trunk.acknowledge(&answer, "postgres");
    server.terminate();
    server.terminate();
    let goodbye = trunk.expect("BYE ");
    trunk.accept(&goodbye);
    let (status, said) = server.ended();
    assert!(status.success(), "{said}");
    let calls = installation.json(&["call", "find", "--number", NUMBER]);
    assert_eq!(calls[0]["disposition"], "unanswered", "{calls}");
    assert!(!installation.path("data/vorzimmer.db").exists());
}
