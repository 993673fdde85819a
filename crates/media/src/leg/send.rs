//! What a leg sends: sound that starts here, keys, the other leg's voice, reports.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use vorzimmer_types::Entropy;
use vorzimmer_types::audio::Format;

use super::outgoing::{Mapping, Payload};
use super::receive::{Accepted, Kind};
use super::{Latch, Leg};
use crate::codec::MAX_ENCODED;
use crate::dtmf::Digit;
use crate::rtcp::MAX_REPORT;
use crate::rtp::{HEADER_LEN, Header};
use crate::sound::{Frame, Player};
use crate::{Channel, Event, Sink, g711};

/// Room for a packet that starts here: 60 ms and a header.
const OWN_PACKET: usize = HEADER_LEN + MAX_ENCODED;

impl Leg {
    /// Plays, in place of what was played before.
    pub(crate) fn play(&mut self, player: Player, now: Instant, sink: &mut dyn Sink) {
        self.stop(sink);
        self.player = Some(player);
        self.mapping = None;
        self.send_due(now, sink);
    }

    /// Stops playing; what had not ended was cut short.
    pub(crate) fn stop(&mut self, sink: &mut dyn Sink) {
        if let Some(player) = self.player.take() {
            self.mapping = None;
            sink.event(Event::PromptEnded { leg: self.key, prompt: player.id, complete: false });
        }
    }

    /// Presses a key towards the peer; false if too many wait or the peer knows no telephone-events.
    pub(crate) fn press(&mut self, digit: Digit) -> bool {
        let events = self.format().is_some_and(|format| format.events.is_some());
        events && self.presses.push(digit)
    }

    /// Passes a packet of the other leg on, rewritten in place.
    pub(crate) fn relay(
        &mut self,
        accepted: &Accepted,
        bytes: &mut [u8],
        relay_events: bool,
        now: Instant,
        sink: &mut dyn Sink,
    ) {
        if accepted.restarted {
            self.mapping = None;
        }
        let Some((format, to)) = self.sendable() else { return };
        if self.held || self.player.is_some() || self.presses.pressing() {
            self.mapping = None;
            return;
        }
        let view = &accepted.view;
        let octets = view.payload(bytes).len();
        let units = accepted.units;
        let passes = match accepted.kind {
            Kind::Audio(codec) if codec.relays_to(format.send.codec) => {
                g711::transcode(codec, format.send.codec, view.payload_mut(bytes));
                Some((format.send.payload_type, Payload::Audio { octets, units }))
            }
            Kind::Audio(_) | Kind::Empty => None,
            Kind::Noise => format.noise.map(|noise| (noise.send, Payload::Audio { octets, units })),
            Kind::Event => {
                format.events.filter(|_| relay_events).map(|events| (events.send, Payload::Event(octets)))
            }
        };
        let Some((payload_type, payload)) = passes else {
            self.mapping.iter_mut().for_each(|mapping: &mut Mapping| mapping.leave_out(accepted.extended));
            return;
        };
        let numbers = self.outgoing.relayed(&mut self.mapping, accepted.extended, view, payload, now);
        let Some(numbers) = numbers else { return };
        let header = Header {
            // RFC 3551 §4.1: the marker starts a talkspurt, the sender's or the one our switch makes.
            marker: numbers.talkspurt || view.marker,
            payload_type,
            sequence: numbers.sequence,
            timestamp: numbers.timestamp,
            ssrc: self.outgoing.ssrc,
        };
        self.emit(Channel::Rtp, to, view.rewrite(bytes, header), sink);
    }

    /// Sends what is due of keys and sound.
    pub(super) fn send_due(&mut self, now: Instant, sink: &mut dyn Sink) {
        self.send_keys(now, sink);
        if !self.presses.pressing() {
            self.send_sound(now, sink);
        }
        if let Some(player) = self.player.take_if(|player| player.finished(now)) {
            self.mapping = None;
            sink.event(Event::PromptEnded { leg: self.key, prompt: player.id, complete: true });
        }
    }

    pub(super) fn next_send(&self, now: Instant) -> Option<Instant> {
        self.sendable()?;
        let sound = self.player.as_ref().filter(|_| !self.presses.pressing());
        let sound = sound.map(|player| player.next_at().unwrap_or(now));
        sound.into_iter().chain(self.presses.next_wake(now)).min()
    }

    /// A prompt that can no longer be sent was not heard to its end.
    pub(super) fn cut_if_mute(&mut self, sink: &mut dyn Sink) {
        let mute = self.sendable().is_none();
        if mute && self.player.as_ref().is_some_and(Player::must_be_heard) {
            self.stop(sink);
        }
    }

    pub(super) fn report_if_due(&mut self, now: Instant, random: &mut dyn Entropy, sink: &mut dyn Sink) {
        let mut out = [0; MAX_REPORT];
        let report = self.control.poll(self.incoming.as_mut(), &self.outgoing, &mut out, random, now);
        if let Some((length, to)) = report {
            self.emit(Channel::Rtcp, to, out.get(..length).unwrap_or_default(), sink);
        }
    }

    /// Ends the leg: cuts what is played and says goodbye.
    pub(crate) fn close(&mut self, now: Instant, sink: &mut dyn Sink) {
        self.stop(sink);
        let mut out = [0; MAX_REPORT];
        let bye = self.control.bye(self.incoming.as_mut(), &self.outgoing, &mut out, now);
        if let Some((length, to)) = bye {
            self.emit(Channel::Rtcp, to, out.get(..length).unwrap_or_default(), sink);
        }
        self.let_go(sink);
    }

    /// How and where to send, if the peer wants to hear and is anywhere.
    pub(super) fn sendable(&self) -> Option<(Format, SocketAddr)> {
        let agreed = self.agreed.as_ref().filter(|agreed| agreed.direction.sends())?;
        if !self.is_linked() {
            return None;
        }
        Some((agreed.format, self.latch.as_ref().and_then(Latch::target)?))
    }

    fn send_sound(&mut self, now: Instant, sink: &mut dyn Sink) {
        let Some((format, to)) = self.sendable() else { return };
        let Some(mut player) = self.player.take() else { return };
        let mut first = !player.started();
        let units_a_sample = format.send.codec.clock_hz() / 8000;
        while let Some(Frame { payload, samples, after_gap }) = player.frame(&format, now) {
            let talkspurt = std::mem::take(&mut first) || after_gap;
            let units = samples as u32 * units_a_sample;
            let (sequence, timestamp) = self.outgoing.own(units, payload.len(), talkspurt, now);
            let payload_type = format.send.payload_type;
            let header =
                Header { marker: talkspurt, payload_type, sequence, timestamp, ssrc: self.outgoing.ssrc };
            self.send_own(header, payload, to, sink);
        }
        self.player = Some(player);
    }

    fn send_keys(&mut self, now: Instant, sink: &mut dyn Sink) {
        let Some((format, to)) = self.sendable() else { return };
        let Some(events) = format.events else { return };
        while let Some(press) = self.presses.poll(events.clock_hz, now) {
            let body = press.body.to_bytes();
            let sequence = if press.first {
                self.mapping = None;
                let (sequence, timestamp) = self.outgoing.own(0, body.len(), true, now);
                self.pressed_at = timestamp;
                sequence
            } else {
                self.outgoing.event(body.len())
            };
            let header = Header {
                marker: press.first,
                payload_type: events.send,
                sequence,
                timestamp: self.pressed_at,
                ssrc: self.outgoing.ssrc,
            };
            self.send_own(header, Bytes::copy_from_slice(&body), to, sink);
        }
    }

    fn send_own(&mut self, header: Header, payload: Bytes, to: SocketAddr, sink: &mut dyn Sink) {
        let mut packet = [0; OWN_PACKET];
        if let Some(length) = header.build(payload, &mut packet) {
            self.emit(Channel::Rtp, to, packet.get(..length).unwrap_or_default(), sink);
        }
    }

    /// Every packet of a leg goes this way: sealed if the leg is protected, and never otherwise.
    pub(super) fn emit(&mut self, channel: Channel, to: SocketAddr, packet: &[u8], sink: &mut dyn Sink) {
        let Some((port, to)) = self.route(channel, to) else { return };
        let sealed = self.must_be_sealed();
        let Some(guard) = &mut self.guard else {
            if !sealed {
                sink.send(self.key, port, to, packet);
            }
            return;
        };
        let sealed = match channel {
            Channel::Rtp => guard.sealer.rtp(packet),
            Channel::Rtcp => guard.sealer.rtcp(packet),
        };
        match sealed {
            Some(sealed) => sink.send(self.key, port, to, sealed),
            None => self.stats.unsealed += 1,
        }
    }
}
