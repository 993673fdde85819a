//! One door for each parser, for fuzzing and for property tests.
//!
//! Each takes any bytes and says whether what must always hold did hold: `false`, like a panic, is a bug. Nothing in
//! the server calls these.

use rsip::{Headers, SipMessage};
use vorzimmer_types::entropy::Seeded;

use crate::digest::{Answerer, Challenge, Credentials, DigestError};
use crate::fault::Fault;
use crate::header;
use crate::identity::{self, Caller, Limits, NumberPlan};
use crate::uri::{NameAddr, Uri};
use crate::wire::{self, Frame, Framing, ParseError, Parsed, Role, StreamFramer, Untrusted};

/// A datagram: what is taken prints, and is then read as the same message unless it has grown too long; what can be
/// answered gets an answer that is itself a message.
#[must_use]
pub fn message(bytes: &[u8]) -> bool {
    match wire::parse(Untrusted::new(bytes), Framing::Datagram) {
        Ok(Parsed::Request(request)) => {
            views(&request.headers);
            survives(SipMessage::Request(request))
        }
        Ok(Parsed::Response(response)) => {
            views(&response.headers);
            survives(SipMessage::Response(response))
        }
        Ok(Parsed::UnknownMethod(unknown)) => {
            survives(SipMessage::Response(unknown.reply.response(rsip::StatusCode::MethodNotAllowed, "t")))
        }
        Err(error) => error.response("t").is_none_or(|answer| wire::print(&answer, &mut Vec::new()).is_ok()),
    }
}

/// A stream: every message that comes out is what went in, and cut in two it comes out the same.
#[must_use]
pub fn stream(bytes: &[u8]) -> bool {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    frames(&[bytes]) == frames(&[first, second])
}

/// A URI: prints as it can be read again, and is the same as itself.
#[must_use]
pub fn uri(bytes: &[u8]) -> bool {
    let Some(Ok(uri)) = text(bytes).map(Uri::parse) else { return true };
    let through_rsip = Uri::from(&rsip::Uri::from(uri.clone()));
    let number = NumberPlan::germany().number(&uri);
    uri.same_as(&uri)
        && Uri::parse(&uri.to_string()).as_ref() == Ok(&uri)
        && through_rsip.without_headers().same_as(&uri.clone().without_headers())
        && number.is_none_or(|number| number.as_str().starts_with('+'))
}

/// An address: prints as it can be read again.
#[must_use]
pub fn address(bytes: &[u8]) -> bool {
    let Some(Ok(address)) = text(bytes).map(NameAddr::parse) else { return true };
    NameAddr::parse(&address.to_string()) == Ok(address)
}

/// A Via: stamped with a source it is still a Via, and answers go to that source.
#[must_use]
pub fn via(bytes: &[u8]) -> bool {
    let source = std::net::SocketAddr::from(([192, 0, 2, 1], 5060));
    let Some(Ok(stamped)) = text(bytes).map(|text| header::stamp(text, source)) else { return true };
    header::Via::parse(&stamped).is_ok_and(|via| via.received().is_none_or(|ip| ip == source.ip()))
}

/// Credentials and challenges: every challenge that is taken is answered readably.
#[must_use]
pub fn digest(bytes: &[u8]) -> bool {
    let Some(text) = text(bytes) else { return true };
    let ha1 = crate::digest::Ha1::new("u", "r", "p");
    std::hint::black_box(Credentials::parse(text).is_ok());
    // Whatever challenge we take, our answer to it is one that a server like us can read (or has no qop to offer).
    let Ok(challenge) = Challenge::parse(text) else { return true };
    let answer = Answerer::new(challenge).answer("u", &ha1, "INVITE", "sip:a@b", &mut Seeded::new(1));
    answer.is_ok_and(|answer| matches!(Credentials::parse(&answer), Ok(_) | Err(DigestError::Qop)))
}

/// A STUN keep-alive: what is taken for one is no SIP message, and its answer bears the same transaction.
#[must_use]
pub fn stun(bytes: &[u8]) -> bool {
    let Some(request) = wire::stun::Request::parse(bytes) else { return true };
    let sources = [([192, 0, 2, 1], 5060).into(), ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 5060).into()];
    wire::parse(Untrusted::new(bytes), Framing::Datagram).is_err()
        && sources.into_iter().all(|source| request.answer(source).get(8..20) == bytes.get(8..20))
}

/// Whose call a datagram is: a withheld caller's hops are private, and private hops are empty.
#[must_use]
pub fn whose(bytes: &[u8]) -> bool {
    let Ok(Parsed::Request(request)) = wire::parse(Untrusted::new(bytes), Framing::Datagram) else {
        return true;
    };
    let known = identity::identify(&request, true, &NumberPlan::germany(), Limits::default());
    let stranger = identity::identify(&request, false, &NumberPlan::germany(), Limits::default());
    known.map_or(true, |found| found.chain.iter().all(|hop| !hop.private || hop.party.is_none()))
        && stranger.map_or(true, |found| found.caller == Caller::Unknown && found.chain.is_empty())
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn survives(message: SipMessage) -> bool {
    let mut bytes = Vec::new();
    if wire::print(&message, &mut bytes).is_err() {
        return false;
    }
    let again = match wire::parse(Untrusted::new(&bytes), Framing::Stream) {
        Ok(Parsed::Request(request)) => SipMessage::Request(request),
        Ok(Parsed::Response(response)) => SipMessage::Response(response),
        // Latin-1 takes more room in UTF-8, and so does each element of a list in a line of its own.
        Err(ParseError { fault: Fault::TooLong { .. }, .. }) => return true,
        _ => return false,
    };
    bare(again) == bare(message)
}

/// The message without what the printer writes by itself.
fn bare(message: SipMessage) -> SipMessage {
    let length = |header: &rsip::Header| wire::name(header) != "Content-Length";
    match message {
        SipMessage::Request(mut request) => {
            request.headers.retain(length);
            SipMessage::Request(request)
        }
        SipMessage::Response(mut response) => {
            response.headers.retain(length);
            SipMessage::Response(response)
        }
    }
}

fn views(headers: &Headers) {
    let counted = header::vias(headers).count()
        + header::contacts(headers).count()
        + header::diversions(headers).count()
        + header::history(headers).count()
        + header::reasons(headers).count()
        + header::routes(headers).count()
        + header::record_routes(headers).count()
        + header::tokens(headers, "Require").count();
    let spans = (header::expires(headers), header::retry_after(headers), header::session_expires(headers));
    let single =
        (header::top_via(headers).is_ok_and(|via| via.answer_to().1.is_some()), header::privacy(headers));
    std::hint::black_box((counted, spans, single));
}

fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
    let mut framer = StreamFramer::new(Role::Accepted);
    let mut out = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let taken = framer.push(rest);
            rest = rest.get(taken..).unwrap_or_default();
            let before = out.len();
            out.extend(std::iter::from_fn(|| framer.next()));
            if taken == 0 && out.len() == before {
                break;
            }
        }
    }
    out
}
