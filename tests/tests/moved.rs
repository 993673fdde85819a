//! A router forgets where a telephone is and gives it another port in mid-call. Nobody says so in signalling; the talk
//! and the recording go on after less than a second, and nothing of it came from anybody else meanwhile.
#![expect(clippy::disallowed_methods, reason = "people talk in real time")]

use std::time::Duration;

use vorzimmer_tests::crowd::{Crowd, read};
use vorzimmer_tests::server::{Server, Setup};
use vorzimmer_tests::wait;

const ATTESTED: &str = "+493023125013";
const CALLS: usize = 3;
const LONG: Duration = Duration::from_secs(60);
/// Long enough for a leg's socket to be its peer's alone.
const TALK: Duration = Duration::from_secs(2);
/// The peer must have been silent for 500 ms: 600 of 20.
const SILENT: u32 = 30;
/// What is not heard of whoever has moved: five packets on probation, and what a slow machine says at once.
const UNHEARD: usize = 25;

#[test]
fn voices_that_have_another_port_all_at_once_are_heard_and_recorded_again() {
    let server = Server::start(&Setup::default());
    let crowd = Crowd::recorded(&server, ATTESTED, CALLS);
    std::thread::sleep(TALK);
    for _ in 0..2 {
        let sent = crowd.move_elsewhere(SILENT);
        // Both ends of a call are elsewhere now. What each hears it hears at its new port alone.
        std::thread::sleep(Duration::from_millis(20 * u64::from(SILENT)));
        let before = crowd.heard();
        wait::until("everybody to hear the other again", Duration::from_secs(10), || {
            (crowd.heard() - before > 50 * 2 * CALLS as u64).then_some(())
        });
        std::thread::sleep(TALK);
        assert!(sent.iter().all(|count| *count > 50), "{sent:?}");
    }
    let moved = crowd.move_elsewhere(0);
    crowd.hang_up();
    wait::until("every call to end", LONG, || (crowd.ended() == CALLS).then_some(()));
    let rows = wait::until("every recording to end", LONG, || {
        let rows = server.json(&["recording", "list", "--purpose", "acceptance test"]);
        let rows = rows.as_array()?.clone();
        (rows.len() == CALLS && rows.iter().all(|row| !row["result"].is_null())).then_some(rows)
    });
    for row in &rows {
        let id = row["recording"].as_str().expect("an id");
        let out = server.folder().join(format!("{id}.wav"));
        server.cli_ok(&[
            "recording",
            "export",
            id,
            "--purpose",
            "acceptance test",
            "--out",
            &out.to_string_lossy(),
        ]);
        let reader = hound::WavReader::open(&out).expect("an exported WAV");
        let samples: Vec<i16> = reader.into_samples().map(|sample| sample.expect("a sample")).collect();
        for channel in [0, 1] {
            let track: Vec<i16> = samples.iter().skip(channel).step_by(2).copied().collect();
            let heard = read(&track);
            let first = heard.first().expect("a voice");
            assert!(heard.iter().all(|one| one.stream == first.stream), "{id}: somebody else's voice");
            let last = heard.last().expect("a voice").frame;
            assert!(last + UNHEARD > moved[first.stream], "{id}: {last} of {}", moved[first.stream]);
            let missing = last + 1 - first.frame - heard.len();
            assert!((1..=2 * UNHEARD).contains(&missing), "{id}: {missing} frames are missing");
        }
    }
}
