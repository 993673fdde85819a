//! The rules of offer and answer for one audio line (RFC 3264 §6), free of state.

use std::net::{IpAddr, SocketAddr};

use vorzimmer_types::audio::{Codec, CodecPayload, Direction, EventPayload, Format, Negotiated};

use crate::{AudioMedia, Local, Payload, Refusal, Transport};

/// Our answering audio line, and what it makes of the offer.
pub(crate) fn answer_audio(
    offer: &AudioMedia,
    local: &Local,
    current: Option<Codec>,
) -> Result<(AudioMedia, Negotiated), Refusal> {
    let addr = usable(offer, local)?;
    let chosen = choose(offer, local, current)?;
    let events = if local.events { offer.payloads.iter().find(|p| p.is_events()) } else { None };
    let direction = local.direction.and(peer_direction(offer, addr).reversed());
    let ptime_ms = ptime(offer, local);

    // RFC 3264 §6.1: the answer uses the offer's payload types.
    let mut payloads = vec![Payload { fmtp: None, ..chosen.0.clone() }];
    payloads.extend(events.map(|event| crate::local::event_payload(event.pt)));
    let answered = local.audio(payloads, u16::from(ptime_ms), direction);
    let payload = CodecPayload { payload_type: chosen.0.pt, codec: chosen.1 };
    let format = Format {
        send: payload,
        receive: [Some(payload), None],
        events: events.map(|event| EventPayload { send: event.pt, receive: event.pt }),
        ptime_ms,
    };
    Ok((answered, negotiated(format, direction, offer, addr)))
}

/// What the peer's answer makes of our offer.
pub(crate) fn accept_audio(
    answer: &AudioMedia,
    offered: &AudioMedia,
    local: &Local,
) -> Result<Negotiated, Refusal> {
    let addr = usable(answer, local)?;
    // Only what we offered counts, in the order of the answer (RFC 3264 §7).
    let mut common = answer.payloads.iter().filter_map(|theirs| {
        let codec = theirs.codec()?;
        let ours = offered.payloads.iter().find(|p| p.codec() == Some(codec))?;
        Some((CodecPayload { payload_type: theirs.pt, codec }, CodecPayload { payload_type: ours.pt, codec }))
    });
    let (send, receive) = common.next().ok_or(Refusal::NoCommonCodec)?;
    let also = common.find(|(theirs, _)| theirs.codec != send.codec).map(|(_, ours)| ours);
    let events = offered.payloads.iter().find(|p| p.is_events()).and_then(|ours| {
        let theirs = answer.payloads.iter().find(|p| p.is_events())?;
        Some(EventPayload { send: theirs.pt, receive: ours.pt })
    });
    let format = Format { send, receive: [Some(receive), also], events, ptime_ms: ptime(answer, local) };
    let direction = offered.direction.and(peer_direction(answer, addr).reversed());
    Ok(negotiated(format, direction, answer, addr))
}

/// The peer's address, if its line can be taken at all.
fn usable(audio: &AudioMedia, local: &Local) -> Result<IpAddr, Refusal> {
    match audio.transport {
        Transport::Avp | Transport::Avpf => {}
        Transport::Secure(_) => return Err(Refusal::SecureTransport),
        Transport::Other(_) => return Err(Refusal::Transport),
    }
    if audio.port == 0 {
        return Err(Refusal::NoAudio);
    }
    let addr = audio.addr.ok_or(Refusal::NoAddress)?;
    // Nowhere (hold) is nowhere in either IP version.
    if !addr.is_unspecified() && addr.is_ipv4() != local.rtp.ip().to_canonical().is_ipv4() {
        return Err(Refusal::AddressFamily);
    }
    Ok(addr)
}

/// The other leg's codec if it is offered, else the one in use, else the first offered that we have.
fn choose<'a>(
    offer: &'a AudioMedia,
    local: &Local,
    current: Option<Codec>,
) -> Result<(&'a Payload, Codec), Refusal> {
    let offered = || {
        offer
            .payloads
            .iter()
            .filter_map(|p| p.codec().map(|codec| (p, codec)))
            .filter(|(_, codec)| local.codecs.contains(codec))
    };
    let named = |wanted: Option<Codec>| offered().find(|(_, codec)| Some(*codec) == wanted);
    named(local.prefer).or_else(|| named(current)).or_else(|| offered().next()).ok_or(Refusal::NoCommonCodec)
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

fn negotiated(format: Format, direction: Direction, peer: &AudioMedia, addr: IpAddr) -> Negotiated {
    let rtp = SocketAddr::new(addr, peer.port);
    // RFC 3550 §11: RTCP on the next port, unless RFC 3605 says otherwise.
    let rtcp = peer.rtcp.unwrap_or(SocketAddr::new(addr, peer.port.checked_add(1).unwrap_or(0)));
    Negotiated { format, direction, rtp, rtcp }
}
