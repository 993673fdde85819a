//! One door for each reader of packets, for fuzzing and for property tests.
//!
//! Each takes any bytes and says whether what must always hold did hold: `false`, like a panic, is a bug. Nothing in
//! the server calls these.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use hmac::Mac;

use crate::dtmf::EventBody;
use crate::ice::{ANSWER_ROOM, Agent, Credentials, addressee};
use crate::rtcp::{Compound, MAX_REPORT, Packet, Report, build};
use crate::rtp::{Header, MAX_PACKET, View};
use crate::stun::{self, Request};

pub use crate::srtp::fuzz::packets as srtp;

const PASSWORD: &str = "0123456789abcdefABCDEF";

/// A voice packet: its payload lies within it, goes on unchanged behind a plain header, and a packet that is built of
/// what was read is the same.
#[must_use]
pub fn rtp(bytes: &[u8]) -> bool {
    let Some(view) = View::parse(bytes) else { return true };
    let payload = view.payload(bytes);
    let event = EventBody::parse(payload).is_none_or(|event| {
        let again = event.to_bytes();
        EventBody::parse(&again).is_some_and(|read| read.to_bytes() == again)
    });
    let header = Header {
        marker: view.marker,
        payload_type: view.payload_type,
        sequence: view.sequence,
        timestamp: view.timestamp,
        ssrc: view.ssrc,
    };
    let mut copy = bytes.to_vec();
    let rewritten = view.rewrite(&mut copy, header).to_vec();
    let mut built = [0; MAX_PACKET];
    let length = header.build(Bytes::copy_from_slice(payload), &mut built);
    let same = View::parse(&rewritten).is_some_and(|again| {
        again.payload(&rewritten) == payload
            && (again.marker, again.payload_type, again.sequence, again.timestamp, again.ssrc)
                == (view.marker, view.payload_type, view.sequence, view.timestamp, view.ssrc)
    });
    event && same && length.and_then(|length| built.get(..length)) == Some(&rewritten[..])
}

/// A compound of reports: every packet that was counted is read, and a report that is built of what the first one says
/// says the same.
#[must_use]
pub fn rtcp(bytes: &[u8]) -> bool {
    let Some(compound) = Compound::parse(bytes) else { return true };
    let packets: Vec<Packet> = compound.collect();
    let (ssrc, sender, about) = match packets.first() {
        Some(Packet::SenderReport { ssrc, sender, block }) => (*ssrc, Some(*sender), *block),
        Some(Packet::ReceiverReport { ssrc, block }) => (*ssrc, None, *block),
        _ => return false,
    };
    let bye = packets.iter().any(|packet| matches!(packet, Packet::Bye { .. }));
    let mut out = [0; MAX_REPORT];
    let report = Report { ssrc, sender, about, cname: *b"0123456789abcdef", bye };
    let built = build(&report, &mut out).and_then(|length| out.get(..length));
    let again = built.and_then(Compound::parse).and_then(|mut compound| compound.next());
    packets.len() <= bytes.len() / 4 && again == packets.first().copied()
}

/// A check of a browser's: as it came, from somebody who does not know the password, there is no answer; with an
/// integrity that is right, the answer is a message that is as right, and to the same question.
#[must_use]
pub fn stun(bytes: &[u8], now: Instant) -> bool {
    let Some(credentials) = Credentials::new("ours", PASSWORD) else { return false };
    let mut agent = Agent::new(credentials);
    let from = SocketAddr::from((Ipv4Addr::new(203, 0, 113, 5), 50_000));
    let mut room = [0; ANSWER_ROOM];
    std::hint::black_box(addressee(bytes));
    if agent.receive(from, bytes, now, &mut room).is_some() || agent.paths(now).next().is_some() {
        return false;
    }
    let Some(signed) = signed(bytes) else { return true };
    let Some(checked) = agent.receive(from, &signed, now, &mut room) else {
        return agent.selected(now).is_none();
    };
    let answer = room.get(..checked.answer).and_then(Request::parse);
    answer
        .is_some_and(|answer| answer.is_from(PASSWORD) && Some(&answer.transaction[..]) == signed.get(8..20))
        && checked.new_path == agent.knows(from, now)
}

/// A binding request to us with these attributes, signed by somebody who knows the password.
fn signed(attributes: &[u8]) -> Option<Vec<u8>> {
    let name = [&stun::attribute::USERNAME.to_be_bytes()[..], &[0, 8], b"ours:you"].concat();
    let attributes = [&name[..], attributes.get(..attributes.len() / 4 * 4)?].concat();
    let length = u16::try_from(attributes.len() + 4 + stun::INTEGRITY).ok()?;
    let mut header = [7; stun::HEADER];
    header.get_mut(..2)?.copy_from_slice(&[0, 1]);
    header.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    header.get_mut(4..8)?.copy_from_slice(&stun::COOKIE.to_be_bytes());
    let mac = stun::integrity(PASSWORD, header, &attributes)?.finalize().into_bytes();
    let kind = stun::attribute::MESSAGE_INTEGRITY.to_be_bytes();
    Some([&header[..], &attributes, &kind, &[0, 20], &mac].concat())
}
