//! What is played with softphones: each case proves one row of the table or several.

use serde_json::Value;

use crate::clients::{Client, Door};
use crate::house::{
    ASK, BOTH, COLLEAGUE_HZ, House, RECEPTIONIST_HZ, SOON, one_hole, press_until, press_until_connected,
    registered, talk,
};
use crate::rows;
use crate::softphones::{Shape, Softphone};

/// Something that is played with a client.
pub struct Case {
    /// The rows that it proves.
    pub rows: &'static [&'static str],
    /// Plays it; panics if it does not work.
    pub play: fn(&Client),
}

/// With a telephone that may be a receptionist's or a caller's.
pub const SOFTPHONE: &[Case] = &[
    Case { rows: &[rows::REGISTER, rows::CALL_IN, rows::HOLD], play: hold },
    Case {
        rows: &[rows::CALL_OUT, rows::EVENTS, rows::YES, rows::EXPORT],
        play: |client| calls(client, "rtpevent"),
    },
    Case { rows: &[rows::INFO], play: |client| calls(client, "info") },
    Case { rows: &[rows::IN_BAND], play: |client| calls(client, "inband") },
    Case { rows: &[rows::TCP], play: |client| receives(client, |shape| shape.transport = "tcp") },
    Case { rows: &[rows::TLS], play: |client| receives(client, |shape| shape.transport = "tls") },
    Case { rows: &[rows::SDES], play: |client| secured(client, "tls", "sdes") },
    Case { rows: &[rows::DTLS], play: |client| secured(client, "udp", "dtls") },
    Case { rows: &[rows::OPUS], play: |client| in_codec(client, &["opus"], 48_000, &["PCMA"]) },
    Case { rows: &[rows::G722], play: |client| in_codec(client, &["G722"], 16_000, &["PCMA"]) },
    Case { rows: &[rows::BLIND], play: blind },
    Case { rows: &[rows::ATTENDED], play: attended },
    Case { rows: &[rows::NO], play: no },
    Case { rows: &[rows::WITHDRAWAL], play: withdrawal },
];

/// With a browser: a receptionist's, for nobody forwards calls with one. She is asked as callers are.
pub const BROWSER: &[Case] = &[
    Case { rows: &[rows::REGISTER, rows::CALL_IN, rows::HOLD, rows::TLS, rows::EXPORT], play: hold },
    Case { rows: &[rows::BLIND], play: blind },
    Case { rows: &[rows::CALL_OUT, rows::ATTENDED], play: attended },
    Case { rows: &[rows::DTLS], play: |client| secured(client, "wss", "dtls") },
    Case { rows: &[rows::OPUS], play: |client| in_codec(client, &["opus"], 48_000, &["opus"]) },
    Case { rows: &[rows::G722], play: |client| in_codec(client, &["G722"], 16_000, &["G722"]) },
    Case { rows: &[rows::EVENTS, rows::YES], play: |client| says_yes(client, "rtpevent") },
    Case { rows: &[rows::INFO], play: |client| says_yes(client, "info") },
    Case { rows: &[rows::NO], play: says_no },
    Case { rows: &[rows::WITHDRAWAL], play: withdraws },
];

/// The client is the receptionist's phone.
fn receives(client: &Client, shape: fn(&mut Shape<'_>)) {
    let house = House::open(client);
    let anna = house.phone(client, "anna", shape);
    let shown = talks(&house, house.other("caller"), anna);
    house.both_are_heard(&shown, 0, RECEPTIONIST_HZ, 3_000);
}

/// The same where it insists on encrypted voices. Keys that stand in a session description count for more over TLS.
fn secured(client: &Client, transport: &'static str, by: &'static str) {
    let house = House::open(client);
    let mut anna = house.phone(client, "anna", |shape| (shape.transport, shape.secure) = (transport, by));
    let mut caller = house.other("caller");
    connect(&house, &mut *caller, &mut *anna);
    // A handshake takes its time.
    let hers = house.her_encryption();
    assert_eq!(hers["by"], by, "{hers}");
    assert!(client.door == Door::Front || hers["in_clear"] != true, "the keys went over TLS: {hers}");
    let shown = ends(&house, &mut *caller, &mut *anna);
    house.both_are_heard(&shown, 0, RECEPTIONIST_HZ, 3_000);
}

/// The same where it has one codec only, whose samples come at this rate, and the caller one of his own. A browser sends in
/// the codec that it was offered first, whatever it answers, and that is the caller's: so his is the same.
fn in_codec(client: &Client, codecs: &'static [&'static str], hz: u32, callers: &'static [&'static str]) {
    let house = House::open(client);
    let anna = house.phone(client, "anna", |shape| shape.codecs = codecs);
    let shown = talks(&house, house.other_in("caller", callers), anna);
    house.both_are_heard_at(hz, &shown, 0, RECEPTIONIST_HZ, 3_000);
}

fn talks(house: &House, mut caller: Box<dyn Softphone>, mut anna: Box<dyn Softphone>) -> Value {
    connect(house, &mut *caller, &mut *anna);
    ends(house, &mut *caller, &mut *anna)
}

/// A caller rings, says yes and is connected.
fn connect(house: &House, caller: &mut dyn Softphone, anna: &mut dyn Softphone) {
    caller.dial(&house.address(ASK));
    caller.established(SOON);
    press_until_connected(caller, anna, "1");
}

/// They talk, and the caller hangs up.
fn ends(house: &House, caller: &mut dyn Softphone, anna: &mut dyn Softphone) -> Value {
    talk(4);
    caller.hangup();
    anna.closed(SOON);
    house.ended(&["ok"])
}

/// The client is the receptionist's phone, and she holds for a while.
fn hold(client: &Client) {
    let house = House::open(client);
    let mut anna = house.phone(client, "anna", |_| {});
    let transport = registered(&house, "anna")["transport"].clone();
    let expected = if client.door == Door::WebSocket { "wss" } else { "udp" };
    assert_eq!(transport, expected, "she registered over what she was told");
    let mut caller = house.other("caller");
    connect(&house, &mut *caller, &mut *anna);
    talk(2);
    anna.hold(true);
    talk(3);
    anna.hold(false);
    talk(3);
    caller.hangup();
    anna.closed(SOON);
    let shown = house.ended(&["ok"]);
    one_hole(&house.both_are_heard(&shown, 0, RECEPTIONIST_HZ, 6_000));
}

/// The client is the caller's phone, and presses the key itself.
fn calls(client: &Client, dtmf: &'static str) {
    let house = House::open(client);
    let mut anna = house.other("anna");
    let mut caller = house.phone(client, "caller", |shape| shape.dtmf = dtmf);
    connect(&house, &mut *caller, &mut *anna);
    talk(4);
    anna.hangup();
    caller.closed(SOON);
    let shown = house.ended(&["ok"]);
    caller_said_yes_by_key(&shown);
    house.both_are_heard(&shown, 0, RECEPTIONIST_HZ, 3_000);
}

/// The first answer that was given is the caller's.
pub fn caller_said_yes_by_key(shown: &Value) {
    let first = &shown["record"]["consent"][0];
    assert!(first["method"]["digit"] == "1" && first["answer"] == "yes", "{shown}");
}

/// The client gives the caller to a colleague without asking her.
fn blind(client: &Client) {
    let house = House::open(client);
    let mut anna = house.phone(client, "anna", |_| {});
    let mut caller = house.other("caller");
    connect(&house, &mut *caller, &mut *anna);
    talk(3);
    let mut ben = house.other("ben");
    anna.transfer(&house.address("ben"));
    ben.established(SOON);
    anna.closed(SOON);
    talk(4);
    caller.hangup();
    ben.closed(SOON);
    put_through(&house);
}

/// The client asks a colleague by a second call, and connects the two.
fn attended(client: &Client) {
    let house = House::open(client);
    let mut anna = house.phone(client, "anna", |_| {});
    let mut caller = house.other("caller");
    connect(&house, &mut *caller, &mut *anna);
    talk(3);
    let mut ben = house.other("ben");
    anna.consult(&house.address("ben"));
    ben.established(SOON);
    anna.established(SOON);
    talk(2);
    anna.complete();
    anna.closed(SOON);
    anna.closed(SOON);
    talk(4);
    caller.hangup();
    ben.closed(SOON);
    put_through(&house);
}

/// Anna talked to the caller, then Ben did; each is in a recording of her own and in no other.
pub fn put_through(house: &House) {
    let shown = house.ended(&["ok", "ok"]);
    house.both_are_heard(&shown, 0, RECEPTIONIST_HZ, 1_500);
    house.both_are_heard(&shown, 1, COLLEAGUE_HZ, 1_500);
    let events = shown["events"].as_array().expect("events");
    let ended: Vec<_> = events.iter().filter(|one| one["event"]["event"] == "transfer-ended").collect();
    assert!(ended.len() == 1 && ended[0]["event"]["outcome"]["is"] == "put-through", "{ended:?}");
}

fn no(client: &Client) {
    let house = House::open(client);
    let mut anna = house.other("anna");
    let mut caller = house.phone(client, "caller", |_| {});
    caller.dial(&house.address(ASK));
    caller.established(SOON);
    press_until_connected(&mut *caller, &mut *anna, "2");
    talk(1);
    caller.hangup();
    anna.closed(SOON);
    house.ended(&["blocked"]);
    house.nothing_is_on_disk();
}

fn withdrawal(client: &Client) {
    let house = House::open(client);
    let mut anna = house.other("anna");
    let mut caller = house.phone(client, "caller", |_| {});
    connect(&house, &mut *caller, &mut *anna);
    talk(2);
    caller.press("*9");
    talk(2);
    caller.hangup();
    anna.closed(SOON);
    destroyed(&house);
}

pub fn destroyed(house: &House) {
    let shown = house.ended(&["withdrawn"]);
    assert_eq!(shown["record"]["recordings"][0]["destroyed"], "withdrawn");
    house.nothing_is_on_disk();
}

/// The client is the phone of a receptionist who is asked herself, and answers with these keys.
fn asked(client: &Client, dtmf: &'static str, key: &str, then: &str) -> House {
    let house = House::open(client);
    let mut carol = house.phone(client, "carol", |shape| shape.dtmf = dtmf);
    let mut caller = house.other("caller");
    caller.dial(&house.address(BOTH));
    caller.established(SOON);
    press_until_connected(&mut *caller, &mut *carol, "1");
    // While she is being asked, again and again, but no faster than a browser plays keys: those that wait come first.
    let answered = || {
        talk(1);
        house.her_answer().is_some()
    };
    if !press_until(&mut *carol, key, answered) {
        carol.fail("her answer was never heard");
    }
    talk(4);
    if !then.is_empty() {
        talk(1);
        carol.press(then);
        talk(2);
    }
    caller.hangup();
    carol.closed(SOON);
    house
}

fn says_yes(client: &Client, dtmf: &'static str) {
    let house = asked(client, dtmf, "1", "");
    let shown = house.ended(&["ok"]);
    let hers = house.her_answer().expect("her answer");
    assert!(hers["answer"] == "yes" && hers["method"]["digit"] == "1", "{hers}");
    house.both_are_heard(&shown, 0, RECEPTIONIST_HZ, 1_500);
}

fn says_no(client: &Client) {
    let house = asked(client, "rtpevent", "2", "");
    house.ended(&["blocked"]);
    house.nothing_is_on_disk();
}

fn withdraws(client: &Client) {
    let house = asked(client, "rtpevent", "1", "*9");
    destroyed(&house);
}
