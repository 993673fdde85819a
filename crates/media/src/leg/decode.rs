//! A leg whose voice is decoded and that is spoken to with samples: the bridge shares no codec, or more than two talk.

use std::net::SocketAddr;
use std::time::Instant;

use vorzimmer_types::audio::Format;

use super::receive::{Accepted, Kind};
use super::{HEADER_LEN, Leg};
use crate::codec::MAX_ENCODED;
use crate::mix::{Heard, Inlet, Outlet, Packet};
use crate::rtp::Header;
use crate::{Channel, Sink};

impl Leg {
    /// Whether its voice is decoded now.
    pub(crate) fn is_decoded(&self) -> bool {
        self.inlet.is_some()
    }

    /// What it is sent.
    pub(crate) fn format(&self) -> Option<&Format> {
        self.agreed.as_ref().map(|agreed| &agreed.format)
    }

    /// Takes a packet of this leg in, to be decoded to `hz`. A leg whose decoder cannot be had is not heard.
    pub(crate) fn take_in(&mut self, accepted: &Accepted, bytes: &[u8], hz: u32, now: Instant) {
        if let Kind::Audio(codec) = accepted.kind
            && self.inlet.as_ref().is_none_or(|inlet| !inlet.serves(codec, hz))
        {
            self.inlet = Inlet::new(codec, hz).ok().map(Box::new);
        }
        let Some(inlet) = &mut self.inlet else { return };
        if accepted.restarted {
            inlet.restart();
        }
        let view = &accepted.view;
        inlet.push(accepted.extended, view.timestamp, accepted.units, view.payload(bytes), now);
    }

    /// Its voice need not be decoded any more.
    pub(crate) fn stop_decoding(&mut self) {
        self.inlet = None;
    }

    /// Nothing is said to it with samples any more.
    pub(crate) fn stop_encoding(&mut self) {
        self.outlet = None;
    }

    /// The next 10 ms of its voice.
    pub(crate) fn pull(&mut self, out: &mut [i16], now: Instant) -> Heard {
        match self.inlet.as_mut().filter(|_| !self.held) {
            Some(inlet) => inlet.pull(out, now),
            None => {
                out.fill(0);
                Heard::Nothing
            }
        }
    }

    /// Says 10 ms to it. What is played to it goes first.
    pub(crate) fn say(&mut self, samples: &[i16], quiet: bool, hz: u32, now: Instant, sink: &mut dyn Sink) {
        let Some((format, to)) = self.sendable() else { return };
        if self.held || self.player.is_some() || self.presses.pressing() {
            self.outlet.iter_mut().for_each(|outlet| outlet.interrupt());
            return;
        }
        if self.outlet.as_ref().is_none_or(|outlet| !outlet.serves(&format, hz)) {
            self.outlet = Outlet::new(format, hz).ok().map(Box::new);
        }
        let Some(mut outlet) = self.outlet.take() else { return };
        if let Some(packet) = outlet.push(samples, quiet) {
            self.mapping = None;
            self.send_packet(&packet, &format, to, now, sink);
        }
        self.outlet = Some(outlet);
    }

    fn send_packet(
        &mut self,
        packet: &Packet<'_>,
        format: &Format,
        to: SocketAddr,
        now: Instant,
        sink: &mut dyn Sink,
    ) {
        let (sequence, timestamp) =
            self.outgoing.own(packet.units, packet.payload.len(), packet.after_gap, now);
        let payload_type = match format.noise.filter(|_| packet.noise) {
            Some(noise) => noise.send,
            None => format.send.payload_type,
        };
        // RFC 3551 §4.1: silence starts no talkspurt.
        let marker = packet.after_gap && !packet.noise;
        let header = Header { marker, payload_type, sequence, timestamp, ssrc: self.outgoing.ssrc };
        let mut out = [0; HEADER_LEN + MAX_ENCODED];
        if let Some(length) = header.write(packet.payload, &mut out) {
            self.emit(Channel::Rtp, to, out.get(..length).unwrap_or_default(), sink);
        }
    }
}
