//! More calls than the house has room for: the further ones are told at once when to come back, and nobody who talks
//! already hears anything of it.
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::time::Duration;

use vorzimmer_tests::crowd::Crowd;
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::sipp::{Run, Sipp};
use vorzimmer_tests::wait;

const ATTESTED: &str = "+493023125013";
const LONG: Duration = Duration::from_secs(60);
/// The house is full with so many.
const CALLS: usize = 4;
/// So many more come, this often a second.
const FURTHER: u32 = 600;
const RATE: u32 = 200;

#[test]
fn a_full_house_says_when_to_come_back_and_running_calls_feel_nothing() {
    let limit = ("VORZIMMER_LIMITS__MAX_CALLS".to_owned(), CALLS.to_string());
    let server = Server::start(&Setup { environment: vec![limit], ..Setup::default() });
    let crowd = Crowd::recorded(&server, ATTESTED, CALLS);

    let run = Run {
        scenario: "trunk-busy-house",
        server: &server.sip,
        transport: "u1",
        service: ATTESTED,
        calls: FURTHER,
        rate: RATE,
        port: None,
        more: &[],
    };
    // The scenario wants 503 with Retry-After for every one of them.
    Sipp::start(server.folder(), &run).passed(LONG);
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
