//! From bytes to a [`Description`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use vorzimmer_types::audio::{Codec, Direction};

use crate::text::{self, Attribute, Connection, MediaText, Text};
use crate::web;
use crate::{
    AudioMedia, Crypto, Description, Encoding, Media, Origin, OtherMedia, Payload, Preference, Recording,
    Refusal, Transport,
};

/// Largest payload type (RFC 3550 §5.1: seven bits).
const MAX_PT: u8 = 127;
/// Most `a=crypto` lines read of one audio line.
const MAX_CRYPTO: usize = 16;

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// [`Refusal`] with status 400 if it is too long or not a session description.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let readable = text::readable(bytes)?;
        let session = Text::read(&readable)?;
        let origin = origin_of(&session);
        let media = session.media.iter().map(|media| media_of(&session, media)).collect();
        let recording = said(&session, "record").and_then(Recording::parse);
        let preference = said(&session, "recordpref").and_then(Preference::parse);
        Ok(Self { origin, media, recording, preference })
    }
}

/// One without an origin is as good as one that has none to speak of.
fn origin_of(session: &Text<'_>) -> Origin {
    let nowhere = Ipv4Addr::UNSPECIFIED.into();
    match &session.origin {
        Some(origin) => Origin {
            addr: origin.address.parse().unwrap_or(nowhere),
            version: origin.version,
            id: origin.id.to_owned(),
        },
        None => Origin { addr: nowhere, version: 0, id: "0".to_owned() },
    }
}

/// What the session, or else its first audio line, says under this name.
fn said<'a>(session: &Text<'a>, name: &str) -> Option<&'a str> {
    let whole = values(&session.attributes, name).next().flatten();
    let audio = session.media.iter().find(|media| media.kind.eq_ignore_ascii_case("audio"));
    whole.or_else(|| audio.and_then(|media| value(media, name)))
}

fn media_of(session: &Text<'_>, media: &MediaText<'_>) -> Media {
    let payloads = payloads_of(media);
    // A line without a payload type is not RTP, whatever it calls itself: nothing of it can be taken.
    if media.kind.eq_ignore_ascii_case("audio") && !payloads.is_empty() {
        return Media::Audio(audio_of(session, media, payloads));
    }
    Media::Other(OtherMedia {
        kind: media.kind.to_owned(),
        port: media.port,
        transport: media.transport.to_owned(),
        formats: media.formats.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
    })
}

fn audio_of(session: &Text<'_>, media: &MediaText<'_>, payloads: Vec<Payload>) -> AudioMedia {
    // RFC 8866 §5.7: the media's own connection overrides the session's.
    let connection = media.connection.as_ref().or(session.connection.as_ref());
    let addr = connection.and_then(address_of);
    let number = |name| value(media, name).and_then(milliseconds);
    let web = web::web_of(session, media);
    AudioMedia {
        transport: Transport::parse(media.transport),
        addr,
        port: media.port,
        rtcp: value(media, "rtcp").and_then(|text| rtcp_of(text, addr)),
        mux: web.is_none() && web::muxes(media),
        payloads,
        ptime_ms: number("ptime"),
        maxptime_ms: number("maxptime"),
        direction: direction_of(session, media),
        crypto: values(&media.attributes, "crypto")
            .flatten()
            .take(MAX_CRYPTO)
            .filter_map(Crypto::parse)
            .collect(),
        dtls: web::dtls_of(session, media),
        web,
    }
}

/// The values of all attributes of this name, in any case; none of those that have none.
fn values<'a>(attributes: &[Attribute<'a>], name: &str) -> impl Iterator<Item = Option<&'a str>> {
    attributes.iter().filter(move |a| a.name.eq_ignore_ascii_case(name)).map(|a| a.value)
}

fn value<'a>(media: &MediaText<'a>, name: &str) -> Option<&'a str> {
    values(&media.attributes, name).next().flatten().map(str::trim)
}

fn address_of(connection: &Connection<'_>) -> Option<IpAddr> {
    // A name below `.invalid` is how some put an IPv6 stream on hold (RFC 6157 §5.1, RFC 3264 §8.4).
    if is_below_invalid(connection.address) {
        return Some(match connection.is_ipv6() {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        });
    }
    let ip = connection.ip()?.to_canonical();
    (!ip.is_multicast()).then_some(ip)
}

fn is_below_invalid(name: &str) -> bool {
    let name = name.trim_end_matches('.').as_bytes();
    name.last_chunk::<8>().is_some_and(|end| end.eq_ignore_ascii_case(b".invalid"))
}

/// RFC 3605: `port [nettype addrtype address]`.
fn rtcp_of(text: &str, addr: Option<IpAddr>) -> Option<SocketAddr> {
    let mut fields = text.split_whitespace();
    let port = fields.next()?.parse().ok()?;
    let own = fields.nth(2).and_then(|text| text.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
    Some(SocketAddr::new(own.or(addr)?, port))
}

/// Whole milliseconds; some write `20.0`.
fn milliseconds(text: &str) -> Option<u16> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|ms| *ms > 0)
}

fn direction_of(session: &Text<'_>, media: &MediaText<'_>) -> Direction {
    let all = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    let named = |attributes: &[Attribute<'_>]| {
        attributes.iter().find_map(|a| {
            all.into_iter().find(|direction| a.name.trim().eq_ignore_ascii_case(direction.name()))
        })
    };
    // RFC 8866 §6.7: the media's own, else the session's, else sendrecv.
    named(&media.attributes).or_else(|| named(&session.attributes)).unwrap_or_default()
}

fn payloads_of(media: &MediaText<'_>) -> Vec<Payload> {
    let mut payloads: Vec<Payload> = Vec::new();
    let types = media.formats.split_ascii_whitespace().filter_map(|text| text.parse::<u8>().ok());
    for pt in types.filter(|pt| *pt <= MAX_PT) {
        if payloads.iter().any(|p| p.pt == pt) {
            continue;
        }
        let mapped_to = mapped(media, "rtpmap", pt).and_then(encoding_of);
        let (encoding, clock_hz) = mapped_to.unwrap_or_else(|| static_encoding(pt));
        let fmtp = mapped(media, "fmtp", pt).map(str::to_owned);
        payloads.push(Payload { pt, encoding, clock_hz, fmtp });
    }
    payloads
}

/// The rest of `a=NAME:PT rest`.
fn mapped<'a>(media: &MediaText<'a>, name: &str, pt: u8) -> Option<&'a str> {
    values(&media.attributes, name).flatten().find_map(|text| {
        let (number, rest) = text.trim().split_once(char::is_whitespace)?;
        (number.parse() == Ok(pt)).then_some(rest.trim()).filter(|rest| !rest.is_empty())
    })
}

/// `name/clock[/channels]` (RFC 8866 §6.6); none where no name is.
fn encoding_of(map: &str) -> Option<(Encoding, u32)> {
    let mut parts = map.splitn(3, '/').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let clock_hz = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let channels = parts.next().filter(|text| !matches!(*text, "" | "1"));
    let encoding = match (name.to_ascii_uppercase().as_str(), channels) {
        ("PCMA", None) => Encoding::Pcma,
        ("PCMU", None) => Encoding::Pcmu,
        ("G722", None) => Encoding::G722,
        // RFC 7587 §7 wants two channels said; some say none.
        ("OPUS", None | Some("2")) => Encoding::Opus,
        ("CN", None) => Encoding::ComfortNoise,
        ("TELEPHONE-EVENT", None) => Encoding::TelephoneEvent,
        (_, None) => Encoding::Other(name.to_owned()),
        (_, Some(channels)) => Encoding::Other(format!("{name}/{channels}")),
    };
    Some((encoding, clock_hz))
}

/// What a payload type means without `a=rtpmap` (RFC 3551 §6).
fn static_encoding(pt: u8) -> (Encoding, u32) {
    let other = |name: &str| Encoding::Other(name.to_owned());
    match pt {
        0 => (Encoding::Pcmu, Codec::Pcmu.clock_hz()),
        8 => (Encoding::Pcma, Codec::Pcma.clock_hz()),
        9 => (Encoding::G722, Codec::G722.clock_hz()),
        13 => (Encoding::ComfortNoise, 8000),
        3 => (other("GSM"), 8000),
        18 => (other("G729"), 8000),
        _ => (other(""), 0),
    }
}
