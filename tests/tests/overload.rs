//! More calls than the house has room for, by the operator's count or by what the machine can do: the further ones are
//! told at once when to come back, and nobody who talks already hears anything of it.
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::time::Duration;

use vorzimmer_tests::crowd::Crowd;
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::sipp::{self, Run, Sipp};
use vorzimmer_tests::{ports, wait};

const ATTESTED: &str = "+493023125013";
const LONG: Duration = Duration::from_secs(60);
/// The house is full with so many.
const CALLS: usize = 4;
/// So many more come, this often a second.
const FURTHER: u32 = 600;
const RATE: u32 = 200;

/// An idle server's threads are busy for less of the time than this, and those of one that moves voices for more.
const HARDLY_BUSY: &str = "5";
/// Calls that anything will be too much for.
const MOST: usize = 60;

/// Calls come one after the other until there is too much to do; that is at the latest when all have come.
fn calls_until_it_is_too_much(server: &Server, crowd: &Crowd) {
    for calls in 1..=MOST {
        if is_overloaded(server) {
            return;
        }
        crowd.ring(ATTESTED, 1);
        wait::until("a call to be taken or turned away", LONG, || {
            (crowd.talking() == calls || is_overloaded(server)).then_some(())
        });
    }
    wait::until("it to be too much", LONG, || is_overloaded(server).then_some(()));
}

fn is_overloaded(server: &Server) -> bool {
    server.get("/metrics").is_some_and(|(_, metrics)| metrics.contains("vorzimmer_overloaded 1\n"))
}

#[test]
fn a_machine_with_too_much_to_do_takes_no_further_calls_until_it_has_less() {
    let limit = ("VORZIMMER_LIMITS__MAX_BUSY_PERCENT".to_owned(), HARDLY_BUSY.to_owned());
    let server = Server::start(&Setup { environment: vec![limit], ..Setup::default() });
    let phone = ports::block(2);
    sipp::register(&server, "anna", phone);
    let crowd = Crowd::open(&server.sip, phone);
    calls_until_it_is_too_much(&server, &crowd);
    let talking =
        wait::until("somebody to talk", LONG, || Some(crowd.talking()).filter(|talking| *talking > 0));
    let heard = crowd.heard();

    Sipp::start(server.folder(), &busy_house(&server, 20)).passed(LONG);
    wait::until("everybody to hear more", LONG, || (crowd.heard() >= heard + 100).then_some(()));
    // A call that was being answered may have come to it.
    assert!(crowd.talking() >= talking && crowd.ended() == 0, "who talks already goes on talking");

    crowd.hang_up();
    wait::until("it to be over", LONG, || (!is_overloaded(&server)).then_some(()));
    wait::until("the operator to be told", LONG, || {
        let output = server.output();
        let told = ["too much to do: new calls get 503", "new calls are taken again"];
        told.iter().all(|line| output.contains(line)).then_some(())
    });
}

fn busy_house(server: &Server, calls: u32) -> Run<'_> {
    Run {
        scenario: "trunk-busy-house",
        server: &server.sip,
        transport: "u1",
        service: ATTESTED,
        calls,
        rate: RATE,
        port: None,
        more: &[],
    }
}

#[test]
fn a_full_house_says_when_to_come_back_and_running_calls_feel_nothing() {
    let limit = ("VORZIMMER_LIMITS__MAX_CALLS".to_owned(), CALLS.to_string());
    let server = Server::start(&Setup { environment: vec![limit], ..Setup::default() });
    let crowd = Crowd::recorded(&server, ATTESTED, CALLS);

    // The scenario wants 503 with Retry-After for every one of them.
    Sipp::start(server.folder(), &busy_house(&server, FURTHER)).passed(LONG);
    std::thread::sleep(Duration::from_secs(1));
    crowd.hang_up();
    wait::until("every call to end", LONG, || (crowd.ended() == CALLS).then_some(()));

    let rows = wait::until("every recording to end", LONG, || {
        let rows = server.json(&["recording", "list", "--purpose", "acceptance test"]);
        let rows = rows.as_array()?.clone();
        (rows.len() == CALLS && rows.iter().all(|row| !row["result"].is_null())).then_some(rows)
    });
    for row in &rows {
        assert_eq!(row["result"], "ok", "a running call has felt the crowd: {row}");
        let call = row["call"].as_str().expect("a call");
        let record = server.json(&["call", "show", call])["record"].clone();
        for leg in record["quality"].as_array().expect("the quality of each leg") {
            assert_eq!(leg["lost"], 0, "a packet was lost: {record}");
        }
    }
    // The house has room again.
    crowd.ring(ATTESTED, 1);
    wait::until("one more to talk", LONG, || (crowd.talking() >= 1).then_some(()));
    crowd.hang_up();
}
