//! Voices of numbered frames: paced like a telephone's, and found again in exported sound.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::State;
use crate::impair::{Way, Weather};

/// Milliseconds of sound in a frame.
pub const FRAME_MS: u64 = 20;
const SAMPLES: usize = 160;
/// How often in a frame's time is looked whether a bad network has let something through.
const STEPS: u32 = 4;

/// A frame says the same ten times: two marks, three digits of its stream, four of its number, all in A-law codes
/// that a decoder tells apart, then zeros.
const SAYING: usize = 16;
const MARKS: [u8; 2] = [0x2a, 0x7f];
const DIGIT: u8 = 0x90;
const REST: u8 = 0xd5;

/// A payload that no voice has: what an attacker says.
pub const FORGED: [u8; SAMPLES] = [0x5b; SAMPLES];

const PCMA: u8 = 8;
const EVENT: u8 = 101;

/// One voice.
#[derive(Debug)]
pub(super) struct Stream {
    number: usize,
    socket: UdpSocket,
    to: Option<SocketAddr>,
    sequence: u16,
    timestamp: u32,
    /// When each frame left, by its number.
    frames: Vec<Instant>,
    /// Numbers of those that the network lost.
    lost: Vec<usize>,
    /// Packets of key presses that go in place of voice: marker and payload; none is a frame of voice between keys.
    keys: VecDeque<Option<(bool, [u8; 4])>>,
    pressed_at: u32,
    heard: u64,
    /// Packets that hold [`FORGED`].
    forged: u64,
    /// The network towards the server, if it is a bad one.
    way: Option<Way>,
    stopped: Option<Instant>,
    /// Frames' times for which it is silent still, and where it was before: open, as a router's port that leads nowhere.
    silent: u32,
    before: Option<UdpSocket>,
}

/// What a stream sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When each frame left, by its number.
    pub frames: Vec<Instant>,
    /// Numbers of frames that the network lost.
    pub lost: Vec<usize>,
    /// When it was told to be silent for good.
    pub stopped: Option<Instant>,
}

impl Stream {
    pub(super) fn open(number: usize) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port for a voice");
        socket.set_nonblocking(true).expect("a socket that does not wait");
        let timestamp = u32::try_from(number).unwrap_or(0).wrapping_mul(77_777);
        Self {
            number,
            socket,
            to: None,
            sequence: 1,
            timestamp,
            frames: Vec::new(),
            lost: Vec::new(),
            keys: VecDeque::new(),
            pressed_at: 0,
            heard: 0,
            forged: 0,
            way: None,
            stopped: None,
            silent: 0,
            before: None,
        }
    }

    /// Falls silent for so many frames and goes on from another port, as behind a router that forgot it.
    pub(super) fn move_elsewhere(&mut self, silent: u32) {
        let elsewhere = UdpSocket::bind("127.0.0.1:0").expect("another port for a voice");
        elsewhere.set_nonblocking(true).expect("a socket that does not wait");
        self.before = Some(std::mem::replace(&mut self.socket, elsewhere));
        self.silent = silent;
    }

    pub(super) fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    pub(super) fn start(&mut self, to: SocketAddr) {
        if self.stopped.is_none() {
            self.to = Some(to);
        }
    }

    pub(super) fn stop(&mut self) {
        self.to = None;
        self.stopped.get_or_insert_with(Instant::now);
    }

    pub(super) fn sent(&self) -> Sent {
        Sent { frames: self.frames.clone(), lost: self.lost.clone(), stopped: self.stopped }
    }

    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    pub(super) fn forged(&self) -> u64 {
        self.forged
    }

    pub(super) fn impair(&mut self, weather: Weather) {
        self.way = Some(Way::new(weather, self.number as u64));
    }

    /// Each key for 100 ms, its end said three times (RFC 4733 §2.5.1.4), then 80 ms of voice.
    pub(super) fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            let code = match key {
                '*' => 10,
                '#' => 11,
                digit => digit.to_digit(10).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0),
            };
            for packet in 1..=8_u16 {
                let [high, low] = (packet.min(5) * 160).to_be_bytes();
                let end = if packet > 5 { 0x80 } else { 0 };
                self.keys.push_back(Some((packet == 1, [code, end | 10, high, low])));
            }
            self.keys.extend([None; 4]);
        }
    }

    fn tick(&mut self) {
        let mut buffer = [0; 2048];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard += 1;
            self.forged += u64::from(buffer[..length].ends_with(&FORGED));
        }
        let Some(to) = self.to else { return };
        if self.silent > 0 {
            self.silent -= 1;
            return;
        }
        if let Some(Some((first, event))) = self.keys.pop_front() {
            if first {
                self.pressed_at = self.timestamp;
            }
            self.send(to, EVENT, first, self.pressed_at, &event);
        } else {
            let frame = frame(self.number, self.frames.len());
            self.frames.push(Instant::now());
            if !self.send(to, PCMA, self.frames.len() == 1, self.timestamp, &frame) {
                self.lost.push(self.frames.len() - 1);
            }
        }
        self.timestamp = self.timestamp.wrapping_add(SAMPLES as u32);
    }

    /// RFC 3550 §5.1. False if it will not arrive.
    fn send(&mut self, to: SocketAddr, kind: u8, marker: bool, timestamp: u32, payload: &[u8]) -> bool {
        let mut packet = vec![0x80, kind | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(u32::try_from(self.number + 1).unwrap_or(0).to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(way) = &mut self.way {
            return way.set_out(&packet, Instant::now());
        }
        // While the server is killed nobody listens.
        drop(self.socket.send_to(&packet, to));
        true
    }

    /// What a bad network has let through by now.
    fn deliver(&mut self) {
        let (Some(way), Some(to)) = (&mut self.way, self.to) else { return };
        let now = Instant::now();
        while let Some(packet) = way.arrived(now) {
            drop(self.socket.send_to(&packet, to));
        }
    }
}

/// Lets every stream speak, a frame every 20 ms.
pub(super) fn speak(state: Arc<Mutex<State>>, over: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut next = Instant::now();
        let mut step = 0;
        while !over.load(Ordering::Relaxed) {
            for stream in &mut state.lock().unwrap_or_else(PoisonError::into_inner).streams {
                if step % STEPS == 0 {
                    stream.tick();
                }
                stream.deliver();
            }
            step += 1;
            next += Duration::from_millis(FRAME_MS) / STEPS;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    })
}

fn frame(stream: usize, number: usize) -> [u8; SAMPLES] {
    let mut saying = [REST; SAYING];
    saying[..2].copy_from_slice(&MARKS);
    for (at, digit) in digits(stream, 3).chain(digits(number, 4)).enumerate() {
        saying[2 + at] = DIGIT | digit;
    }
    std::array::from_fn(|at| saying[at % SAYING])
}

fn digits(value: usize, count: u32) -> impl Iterator<Item = u8> {
    (0..count).rev().map(move |place| ((value >> (4 * place)) & 0x0f) as u8)
}

/// One frame found in exported sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which stream it is of.
    pub stream: usize,
    /// Its number in that stream.
    pub frame: usize,
    /// Sayings of it that were found: 10 in a whole one.
    pub sayings: usize,
}

/// The frames in one channel of exported sound, in order.
#[must_use]
pub fn read(samples: &[i16]) -> Vec<Read> {
    let marks = MARKS.map(pcm);
    let mut found: Vec<Read> = Vec::new();
    for saying in samples.windows(SAYING).filter(|window| window[..2] == marks) {
        let value = |digits: &[i16]| {
            digits.iter().try_fold(0, |sum, sample| {
                let digit = (0..16_u8).find(|digit| pcm(DIGIT | *digit) == *sample)?;
                Some(sum * 16 + usize::from(digit))
            })
        };
        let (Some(stream), Some(frame)) = (value(&saying[2..5]), value(&saying[5..9])) else { continue };
        match found.last_mut() {
            Some(last) if (last.stream, last.frame) == (stream, frame) => last.sayings += 1,
            _ => found.push(Read { stream, frame, sayings: 1 }),
        }
    }
    found
}

/// Whether anything that an attacker said is in exported sound.
#[must_use]
pub fn holds_forged(samples: &[i16]) -> bool {
    let forged = FORGED.map(pcm);
    samples.windows(16).any(|window| window == &forged[..16])
}

/// ITU-T G.711, table 1: an A-law code as 16-bit PCM.
fn pcm(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 0x0f));
    let level = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if code & 0x80 == 0 { -level } else { level }
}

#[cfg(test)]
mod tests {
    use super::{Read, frame, pcm, read};

    #[test]
    fn frames_are_found_again_wherever_they_stand() {
        let mut samples = vec![0; 37];
        for number in [0, 1, 9, 4095] {
            samples.extend(frame(29, number).map(pcm));
        }
        let expected = [0, 1, 9, 4095].map(|frame| Read { stream: 29, frame, sayings: 10 });
        assert_eq!(read(&samples), expected);
    }
}
