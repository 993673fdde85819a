//! What is played with SIPp: as the carrier that forwards a call, and as a receptionist's phone.

use std::path::PathBuf;
use std::time::Duration;

use vorzimmer_media::codec::Encoder;
use vorzimmer_tests::sipp::{self, Run, Sipp};
use vorzimmer_tests::{ports, tone};
use vorzimmer_types::audio::{Codec, OpusWish};

use crate::cases::{self, Case};
use crate::clients::Client;
use crate::house::{ASK, CALLER_HZ, House, RECEPTIONIST_HZ, SOON, one_hole, press_until, registered, talk};
use crate::rows;
use crate::scenario::{Scenario, Voice};
use crate::softphones::Softphone;

/// With SIPp, which does what it does at its own times.
pub const SIPP: &[Case] = &[
    Case { rows: &[rows::REGISTER, rows::CALL_IN, rows::HOLD], play: holds },
    Case {
        rows: &[rows::CALL_OUT, rows::EVENTS, rows::YES, rows::EXPORT],
        play: |client| says_yes(client, "u1", Scenario::event),
    },
    Case { rows: &[rows::INFO], play: |client| says_yes(client, "u1", Scenario::info) },
    Case { rows: &[rows::IN_BAND], play: in_band },
    Case { rows: &[rows::TCP], play: |client| says_yes(client, "t1", Scenario::event) },
    Case { rows: &[rows::G722], play: wide },
    Case { rows: &[rows::BLIND], play: blind },
    Case { rows: &[rows::NO], play: no },
    Case { rows: &[rows::WITHDRAWAL], play: withdrawal },
];

const LONG: Duration = Duration::from_secs(80);
/// When the question has been heard, from the answer.
const HEARD_MS: u32 = 13_000;
/// Keys are pressed twice at most, for SIPp plays their captures with sequence numbers of their own: within a recording they
/// would be gaps.
const PRESSES: u32 = 2;
/// Between two of them.
const EVERY_MS: u32 = 1_300;

/// Something that is said, as raw A-law.
fn sound(house: &House, name: &str, hertz: &[f64], milliseconds: u32) -> PathBuf {
    let file = house.folder.path().join(format!("{name}.al"));
    std::fs::write(&file, sipp::a_law_tones(hertz, milliseconds)).expect("what SIPp says");
    file
}

fn voice(house: &House, name: &str, hertz: f64) -> Voice {
    Voice { file: sound(house, name, &[hertz], 2_000), payload: 8, codec: "PCMA" }
}

/// A caller's voice in G.722: sixteen thousand samples a second, and a clock that runs half as fast (RFC 3551 §4.5.2).
fn wideband(house: &House) -> Voice {
    let file = house.folder.path().join("caller.g722");
    let mut encoder = Encoder::new(Codec::G722, 8_000, OpusWish::default()).expect("an encoder");
    let mut coded = Vec::new();
    for frame in tone::read_wav(&house.voice("caller"))[0].0.chunks_exact(160).take(100) {
        #[expect(clippy::cast_possible_truncation, reason = "within 16 bits by construction")]
        let samples: Vec<i16> = frame.iter().map(|sample| (sample * 32_767.0) as i16).collect();
        let mut packet = [0; 320];
        let length = encoder.encode(&samples, &mut packet).expect("a packet");
        coded.extend_from_slice(&packet[..length]);
    }
    std::fs::write(&file, coded).expect("what SIPp says");
    Voice { file, payload: 9, codec: "G722" }
}

fn play(house: &House, scenario: &Scenario, transport: &str, service: &str, port: Option<u16>) -> Sipp {
    let file = house.folder.path().join(format!("{service}.xml"));
    std::fs::write(&file, scenario.text(service)).expect("the scenario");
    let run = Run {
        scenario: "interop",
        server: &house.server.sip,
        transport,
        service,
        calls: 1,
        rate: 1,
        port,
        more: &[],
    };
    Sipp::play(house.folder.path(), &run, &file)
}

fn caller(house: &House) -> Scenario {
    Scenario::caller(voice(house, "caller", CALLER_HZ))
}

/// Anna's phone, registered, and what it then does.
fn desk(house: &House, then: impl FnOnce(Scenario) -> Scenario) -> Sipp {
    let port = ports::block(2);
    sipp::register(&house.server, "anna", port);
    assert_eq!(registered(house, "anna")["transport"], "udp");
    let answered = Scenario::desk(voice(house, "anna", RECEPTIONIST_HZ));
    play(house, &then(answered), "u1", "anna", Some(port))
}

/// Somebody rings, and presses 1 until the desk has answered.
fn is_called(house: &House) -> Box<dyn Softphone> {
    let mut caller = house.other("caller");
    caller.dial(&house.address(ASK));
    caller.established(SOON);
    if !press_until(&mut *caller, "1", || house.is_connected()) {
        caller.fail("the desk was never connected");
    }
    caller
}

fn holds(client: &Client) {
    let house = House::open(client);
    let desk =
        desk(&house, |desk| desk.pause(4_000).holds(true).pause(3_000).holds(false).pause(3_000).hangs_up());
    let mut caller = is_called(&house);
    desk.passed(LONG);
    caller.closed(SOON);
    let shown = house.ended(&["ok"]);
    one_hole(&house.both_are_heard(&shown, 0, RECEPTIONIST_HZ, 6_000));
}

fn blind(client: &Client) {
    let house = House::open(client);
    let target = house.address("ben");
    // Ben comes to his desk meanwhile: before, he would be rung too.
    let desk = desk(&house, |desk| desk.pause(8_000).refers(&target));
    let mut caller = is_called(&house);
    let mut ben = house.other("ben");
    ben.established(SOON);
    desk.passed(LONG);
    talk(4);
    caller.hangup();
    ben.closed(SOON);
    cases::put_through(&house);
}

/// SIPp calls, presses a key, and Anna takes the call.
fn answers(
    house: &House,
    caller: Scenario,
    transport: &str,
    press: impl Fn(Scenario) -> Scenario,
    then: impl FnOnce(Scenario) -> Scenario,
) {
    let mut anna = house.other("anna");
    let mut call = caller.pause(HEARD_MS);
    for _ in 0..PRESSES {
        call = press(call).pause(EVERY_MS);
    }
    let sipp = play(house, &then(call.pause(4_000)).hangs_up(), transport, ASK, None);
    anna.established(LONG);
    sipp.passed(LONG);
    anna.closed(SOON);
}

fn says_yes(client: &Client, transport: &str, press: fn(Scenario, &str) -> Scenario) {
    let house = House::open(client);
    answers(&house, caller(&house), transport, |call| press(call, "1"), |call| call.pause(4_000));
    yes(&house);
}

fn yes(house: &House) {
    let shown = house.ended(&["ok"]);
    cases::caller_said_yes_by_key(&shown);
    house.both_are_heard(&shown, 0, RECEPTIONIST_HZ, 3_000);
}

fn in_band(client: &Client) {
    let house = House::open(client);
    // ITU-T Q.23: the key 1.
    let key = sound(&house, "key", &[697.0, 1_209.0], 200);
    answers(&house, caller(&house), "u1", |call| call.plays(&key, 200), |call| call.pause(4_000));
    yes(&house);
}

fn wide(client: &Client) {
    let house = House::open(client);
    let caller = Scenario::caller(wideband(&house));
    answers(&house, caller, "u1", |call| call.info("1"), |call| call.pause(4_000));
    let shown = house.ended(&["ok"]);
    house.both_are_heard_at(16_000, &shown, 0, RECEPTIONIST_HZ, 3_000);
}

fn no(client: &Client) {
    let house = House::open(client);
    answers(&house, caller(&house), "u1", |call| call.event("2"), |call| call.pause(1_000));
    house.ended(&["blocked"]);
    house.nothing_is_on_disk();
}

fn withdrawal(client: &Client) {
    let house = House::open(client);
    // By INFO: in the captures the star comes after the nine.
    let withdraws = |call: Scenario| call.pause(2_000).info("*").info("9").pause(2_000);
    answers(&house, caller(&house), "u1", |call| call.event("1"), withdraws);
    cases::destroyed(&house);
}
