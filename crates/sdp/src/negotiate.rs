//! The rules of offer and answer for one audio line (RFC 3264 §6), free of state.

use std::net::{IpAddr, SocketAddr};

use vorzimmer_types::Entropy;
use vorzimmer_types::audio::{
    Codec, CodecPayload, Direction, EventPayload, Format, Negotiated, NoisePayload, OpusWish,
};
use vorzimmer_types::ice::Ends;
use vorzimmer_types::srtp::Keying;

use crate::local::{codec_payload, event_payload, noise_payload};
use crate::protection::Answered;
use crate::{AudioMedia, Local, Payload, Refusal, Transport};

/// What an exchange builds on: what was agreed on before.
#[derive(Clone, Default)]
pub(crate) struct Current {
    pub(crate) codec: Option<Codec>,
    /// What we receive.
    pub(crate) received: Option<CodecPayload>,
    pub(crate) keying: Keying,
    /// How a browser and we are addressed.
    pub(crate) ice: Option<Ends>,
}

impl Current {
    /// What the peer may still send until it knows that another codec was agreed on (RFC 3264 §8.3.2).
    fn still_coming(&self, agreed: CodecPayload) -> Option<CodecPayload> {
        let other = |old: &CodecPayload| old.codec != agreed.codec && old.payload_type != agreed.payload_type;
        self.received.filter(other)
    }
}

/// Our answering audio line, and what it makes of the offer.
pub(crate) fn answer_audio(
    offer: &AudioMedia,
    local: &Local,
    current: &Current,
    random: &mut (impl Entropy + ?Sized),
) -> Result<(AudioMedia, Negotiated), Refusal> {
    let addr = usable(offer, local)?;
    let (theirs, codec) = choose(offer, local, current.codec)?;
    let events = if local.events { events_for(codec, offer) } else { None };
    let noise = if local.noise { noise_for(codec, offer) } else { None };
    let direction = local.direction.and(peer_direction(offer, addr).reversed());
    let ptime_ms = ptime(offer, local);

    // RFC 3264 §6.1: the answer uses the offer's payload types.
    let mut payloads = vec![codec_payload(codec, theirs.pt)];
    payloads.extend(noise.map(|noise| noise_payload(noise.pt)));
    payloads.extend(events.map(|event| event_payload(event.pt, event.clock_hz)));
    let answered = local.audio(payloads, u16::from(ptime_ms), direction);
    let (answered, keying, ice) = match &local.browser {
        Some(browser) => {
            let (answered, (keying, ice)) =
                browser.answer(answered, offer, (&current.keying, current.ice), random)?;
            (answered, keying, Some(ice))
        }
        None => {
            let Answered { crypto, dtls, keying } =
                local.protection.answer(offer, &current.keying, random)?;
            let crypto = crypto.into_iter().collect();
            // RFC 3264 §6: the answer's transport is the offer's; RFC 5761 §5.1.1: and so is where RTCP goes.
            let (transport, mux) = (offer.transport.clone(), offer.mux);
            (AudioMedia { transport, mux, crypto, dtls, ..answered }, keying, None)
        }
    };
    let payload = CodecPayload { payload_type: theirs.pt, codec };
    let format = Format {
        send: payload,
        receive: [Some(payload), current.still_coming(payload)],
        events: events.map(|event| EventPayload {
            send: event.pt,
            receive: event.pt,
            clock_hz: event.clock_hz,
        }),
        noise: noise.map(|noise| NoisePayload { send: noise.pt, receive: noise.pt }),
        opus: wish(theirs, codec),
        ptime_ms,
    };
    Ok((answered, negotiated(format, direction, offer, addr, keying, ice, offer.mux)))
}

/// What the peer's answer makes of our offer.
pub(crate) fn accept_audio(
    answer: &AudioMedia,
    offered: &AudioMedia,
    local: &Local,
    current: &Current,
) -> Result<Negotiated, Refusal> {
    let addr = usable(answer, local)?;
    let (keying, ice) = match &local.browser {
        Some(browser) => {
            browser.as_of(current.ice).accept(answer).map(|(keying, ice)| (keying, Some(ice)))?
        }
        None => (local.protection.accept(answer, offered, &current.keying)?, None),
    };
    // Only what we offered counts (RFC 3264 §7).
    let common = || {
        answer.payloads.iter().filter_map(|theirs| {
            let codec = theirs.codec()?;
            let ours = offered.payloads.iter().find(|p| p.codec() == Some(codec))?;
            Some((theirs, codec, CodecPayload { payload_type: ours.pt, codec }))
        })
    };
    // The answer's order counts, but whatever is in it may be sent: the other leg's codec if it is.
    let relayed = |(_, codec, _): &(&Payload, Codec, CodecPayload)| {
        local.prefer.is_some_and(|preferred| codec.relays_to(preferred))
    };
    let exact = common().find(|(_, codec, _)| Some(*codec) == local.prefer);
    let preferred = exact.or_else(|| common().find(relayed));
    let (theirs, codec, receive) = preferred.or_else(|| common().next()).ok_or(Refusal::NoCommonCodec)?;
    let also = common().find(|(_, other, _)| *other != codec).map(|(_, _, ours)| ours);
    let send = CodecPayload { payload_type: theirs.pt, codec };
    let ours = |theirs: &Payload| {
        let same = |p: &&Payload| p.encoding == theirs.encoding && p.clock_hz == theirs.clock_hz;
        offered.payloads.iter().find(same).map(|ours| (theirs.pt, ours.pt, ours.clock_hz))
    };
    let events = events_for(codec, answer).and_then(ours);
    let noise = noise_for(codec, answer).and_then(ours);
    let format = Format {
        send,
        receive: [Some(receive), also.or(current.still_coming(receive))],
        events: events.map(|(send, receive, clock_hz)| EventPayload { send, receive, clock_hz }),
        noise: noise.map(|(send, receive, _)| NoisePayload { send, receive }),
        opus: wish(theirs, codec),
        ptime_ms: ptime(answer, local),
    };
    let direction = offered.direction.and(peer_direction(answer, addr).reversed());
    Ok(negotiated(format, direction, answer, addr, keying, ice, offered.mux && answer.mux))
}

/// The peer's address, if its line can be taken at all.
fn usable(audio: &AudioMedia, local: &Local) -> Result<IpAddr, Refusal> {
    if matches!(audio.transport, Transport::Other(_)) {
        return Err(Refusal::Transport);
    }
    if audio.port == 0 {
        return Err(Refusal::NoAudio);
    }
    // Where a browser is, ICE finds out: what stands here may be a name, port 9, or the other IP version.
    if local.browser.is_some() {
        return Ok(Negotiated::ANYWHERE.ip());
    }
    let addr = audio.addr.ok_or(Refusal::NoAddress)?;
    // Nowhere (hold) is nowhere in either IP version.
    if !addr.is_unspecified() && addr.is_ipv4() != local.rtp.ip().to_canonical().is_ipv4() {
        return Err(Refusal::AddressFamily);
    }
    Ok(addr)
}

/// The other leg's codec if it is offered, else the one in use, else the first of ours that is offered.
fn choose<'a>(
    offer: &'a AudioMedia,
    local: &Local,
    current: Option<Codec>,
) -> Result<(&'a Payload, Codec), Refusal> {
    // Both laws are the same to us, so that the offer's order decides between them.
    let rank = |codec: Codec| {
        local.codecs.iter().position(|ours| *ours == codec || (ours.is_g711() && codec.is_g711()))
    };
    let offered = || {
        offer
            .payloads
            .iter()
            .filter_map(|p| p.codec().map(|codec| (p, codec)))
            .filter(|(_, codec)| local.codecs.contains(codec))
    };
    let named = |wanted: Option<Codec>| offered().find(|(_, codec)| Some(*codec) == wanted);
    let relayed = || offered().find(|(_, codec)| local.prefer.is_some_and(|other| codec.relays_to(other)));
    named(local.prefer)
        .or_else(relayed)
        .or_else(|| named(current))
        .or_else(|| offered().min_by_key(|(_, codec)| rank(*codec)))
        .ok_or(Refusal::NoCommonCodec)
}

/// Telephone-event on the codec's clock (RFC 4733 §2.1); if the peer knows none, the first it does know, since some
/// name one for 8 kHz only, whatever the codec.
fn events_for(codec: Codec, peer: &AudioMedia) -> Option<&Payload> {
    let events = || peer.payloads.iter().filter(|p| p.is_events());
    events().find(|p| p.clock_hz == codec.clock_hz()).or_else(|| events().next())
}

/// Comfort noise, where the codec has none of its own (RFC 3389 §5).
fn noise_for(codec: Codec, peer: &AudioMedia) -> Option<&Payload> {
    peer.payloads.iter().find(|p| p.is_noise() && codec != Codec::Opus)
}

/// What the peer says beside its Opus.
fn wish(theirs: &Payload, codec: Codec) -> OpusWish {
    match (codec, &theirs.fmtp) {
        (Codec::Opus, Some(fmtp)) => OpusWish::parse(fmtp),
        _ => OpusWish::default(),
    }
}

/// Which way the peer lets audio flow: an address of nowhere means it wants to hear nothing (RFC 3264 §8.4).
fn peer_direction(audio: &AudioMedia, addr: IpAddr) -> Direction {
    if addr.is_unspecified() { audio.direction.and(Direction::SendOnly) } else { audio.direction }
}

/// The packet length the peer wants, within what it and we can take.
fn ptime(peer: &AudioMedia, local: &Local) -> u8 {
    let wanted = peer.ptime_ms.unwrap_or(u16::from(local.ptime_ms));
    let most = peer.maxptime_ms.unwrap_or(u16::MAX).min(u16::from(Local::MAX_PTIME_MS));
    let clamped = wanted.min(most).max(u16::from(Local::MIN_PTIME_MS));
    u8::try_from(clamped).unwrap_or(local.ptime_ms)
}

fn negotiated(
    format: Format,
    direction: Direction,
    peer: &AudioMedia,
    addr: IpAddr,
    keying: Keying,
    ice: Option<Ends>,
    mux: bool,
) -> Negotiated {
    let ice = ice.map(Box::new);
    if ice.is_some() {
        let (rtp, rtcp) = (Negotiated::ANYWHERE, Negotiated::ANYWHERE);
        return Negotiated { format, direction, rtp, rtcp, keying, ice };
    }
    let rtp = SocketAddr::new(addr, peer.port);
    // RFC 3550 §11: RTCP on the next port, unless RFC 3605 says otherwise.
    let next = SocketAddr::new(addr, peer.port.checked_add(1).unwrap_or(0));
    // RFC 5761 §5.1.1: on the same port where both say so.
    let rtcp = if mux { rtp } else { peer.rtcp.unwrap_or(next) };
    Negotiated { format, direction, rtp, rtcp, keying, ice }
}
