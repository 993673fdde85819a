//! One voice: a stream of numbered, stamped RTP packets, and what came of the stream that answers it.
//!
//! The payload of a packet says who sent it, when, and as which number; everything on the way passes it on as it is.
//! When a packet arrived the kernel has noted (`SO_TIMESTAMPNS`), so that a generator that looks late measures no delay
//! of its own.

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt,
};
use vorzimmer_media::srtp::{Opener, Sealer};
use vorzimmer_media::{Codec, encode};
use vorzimmer_types::srtp::{MasterKey, Suite};

/// Payload of 20 ms of G.711.
const PAYLOAD: usize = 160;
/// An RTP header without extras (RFC 3550 §5.1).
const HEADER: usize = 12;
/// What each payload says first.
const MARK: [u8; 4] = *b"VZld";
/// Bytes that a payload says.
const WORDS: usize = 28;
/// The quietest sound of A-law (G.711). What a payload says, it says in the four lowest bits of such, so that a pause
/// stays one to whoever listens.
const QUIETEST: u8 = 0xd5;
/// Packets taken with one call into the kernel. One comes in each turn, more only after a pause.
const AT_ONCE: usize = 8;
/// Room for a packet with SRTP's trailer.
const ROOM: usize = 256;
/// Lowest port for voices, outside what servers and the kernel itself give out.
const FIRST_PORT: u16 = 33_000;
/// SRTP packets that one key is good for (RFC 3711 §9.2).
const KEY_LIFETIME: u64 = 1 << 48;

/// Payload types, as offered and answered.
const PCMA: u8 = 8;
const EVENT: u8 = 101;
/// A key is down for so many packets, then its end is said three times (RFC 4733 §2.5.1.4), then there is a pause.
const DOWN: u16 = 5;
const ENDS: u16 = 3;
const PAUSE: usize = 4;

/// One end's keys.
pub struct Keys {
    seal: Sealer,
    open: Opener,
}

impl Keys {
    /// From the base64 of key and salt as descriptions carry them (RFC 4568): ours and the peer's.
    pub fn new(ours: &[u8], theirs: &[u8]) -> Option<Self> {
        let key = |bytes| MasterKey::from_bytes(Suite::AesCm128HmacSha1Tag80, bytes);
        Some(Self { seal: Sealer::new(&key(ours)?), open: Opener::new(&key(theirs)?, KEY_LIFETIME) })
    }
}

/// One voice.
pub struct Stream {
    rtp: UdpSocket,
    /// Only there so that reports have somewhere to go.
    _rtcp: UdpSocket,
    port: u16,
    generation: u32,
    talking: bool,
    number: u32,
    keys: Option<Box<Keys>>,
    /// Packets of pressed keys that go in place of voice; none is one of voice between them.
    pressed: VecDeque<Option<[u8; 4]>>,
    /// The number of the packet in which the key began.
    pressed_at: u32,
    seen: Seen,
    /// Whether its packets are counted: those of calls that come and go are not.
    pub counted: bool,
}

/// What a packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which stream sent it.
    pub slot: u32,
    /// The how-manieth user of that slot.
    pub generation: u32,
    /// Its number, from 0.
    pub number: u32,
    /// In which measurement it was sent; 0 in none.
    pub window: u32,
    /// When it was sent, nanoseconds since 1970.
    pub sent_ns: u64,
}

/// A packet that came.
#[derive(Clone, Copy, Debug)]
pub struct Arrived {
    /// What it says.
    pub said: Said,
    /// When the kernel got it, nanoseconds since 1970.
    pub at_ns: u64,
}

/// How a packet came in relation to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// After all that were sent before it.
    Next,
    /// After one that was sent later.
    Late,
    /// It had come already.
    Again,
}

impl Stream {
    /// A new voice on a pair of ports that is free.
    ///
    /// # Errors
    /// There is none.
    pub fn open(generation: u32, counted: bool, next_port: &mut u16) -> io::Result<Self> {
        for _ in 0..20_000 {
            let port = *next_port;
            *next_port = if port >= u16::MAX - 3 { FIRST_PORT + 1 } else { port + 2 };
            let Ok(rtp) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else { continue };
            let Ok(rtcp) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1)) else { continue };
            rtp.set_nonblocking(true)?;
            setsockopt(&rtp, sockopt::ReceiveTimestampns, &true)?;
            setsockopt(&rtcp, sockopt::RcvBuf, &1_024)?;
            return Ok(Self {
                rtp,
                _rtcp: rtcp,
                port,
                generation,
                talking: false,
                number: 0,
                keys: None,
                pressed: VecDeque::new(),
                pressed_at: 0,
                seen: Seen::default(),
                counted,
            });
        }
        Err(io::Error::other("no pair of ports is free for a voice"))
    }

    /// Where it wants to hear the other one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it has somewhere to talk to.
    pub fn is_talking(&self) -> bool {
        self.talking
    }

    /// Begins to talk.
    ///
    /// # Errors
    /// The system's.
    pub fn talk(&mut self, to: SocketAddr, keys: Option<Keys>) -> io::Result<()> {
        self.rtp.connect(to)?;
        self.keys = keys.map(Box::new);
        self.talking = true;
        Ok(())
    }

    /// Presses `*` or a digit (RFC 4733) in the packets to come.
    pub fn press(&mut self, key: char) {
        let code = key.to_digit(10).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(10);
        for packet in 1..=DOWN + ENDS {
            let [high, low] = (packet.min(DOWN) * 160).to_be_bytes();
            let end = if packet > DOWN { 0x80 } else { 0 };
            self.pressed.push_back(Some([code, end | 10, high, low]));
        }
        self.pressed.extend([None; PAUSE]);
    }

    /// Whether the next packet is one of voice.
    pub fn speaks(&self) -> bool {
        !matches!(self.pressed.front(), Some(Some(_)))
    }

    /// Sends the next packet; whether the kernel took it.
    pub fn say(&mut self, slot: u32, window: u32) -> bool {
        let number = self.number;
        self.number = number.wrapping_add(1);
        let said = Said { slot, generation: self.generation, number, window, sent_ns: now_ns() };
        let mut packet = [0; HEADER + PAYLOAD];
        packet[HEADER..].copy_from_slice(sound(number));
        write(&mut packet, said);
        let mut length = packet.len();
        if let Some(Some(event)) = self.pressed.pop_front() {
            length = self.event(&mut packet, event, number);
        }
        let packet = packet.get(..length).unwrap_or_default();
        let packet = match &mut self.keys {
            None => Some(packet),
            Some(keys) => keys.seal.rtp(packet),
        };
        packet.is_some_and(|packet| self.rtp.send(packet).is_ok())
    }

    /// Makes it a packet of a key instead; its length.
    fn event(&mut self, packet: &mut [u8; HEADER + PAYLOAD], event: [u8; 4], number: u32) -> usize {
        let first = event[1] & 0x80 == 0 && event[2..] == 160_u16.to_be_bytes();
        if first {
            self.pressed_at = number;
        }
        packet[1] = EVENT | if first { 0x80 } else { 0 };
        packet[4..8].copy_from_slice(&self.pressed_at.wrapping_mul(160).to_be_bytes());
        packet[HEADER..HEADER + event.len()].copy_from_slice(&event);
        HEADER + event.len()
    }

    /// Takes what has come; how many packets, whatever they hold.
    pub fn hear(&mut self, ear: &mut Ear, mut heard: impl FnMut(Arrived)) -> u64 {
        let mut all = 0;
        loop {
            let count = ear.take(&self.rtp);
            all += count as u64;
            for at in 0..count {
                let (length, at_ns) = ear.came[at];
                let Some(bytes) = ear.buffers[at].get_mut(..length) else { continue };
                let length = match &mut self.keys {
                    None => Some(bytes.len()),
                    Some(keys) => keys.open.rtp(bytes).ok(),
                };
                if let Some(said) = length.and_then(|length| read(bytes.get(..length)?)) {
                    heard(Arrived { said, at_ns });
                }
            }
            if count < AT_ONCE {
                return all;
            }
        }
    }

    /// Takes note that a packet of this stream has arrived; none if it is from an earlier user of the slot.
    pub fn arrived(&mut self, said: Said) -> Option<Order> {
        (said.generation == self.generation).then(|| self.seen.note(said.number))
    }
}

/// Buffers to receive into, shared by all streams.
pub struct Ear {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: [[u8; ROOM]; AT_ONCE],
    came: [(usize, u64); AT_ONCE],
}

impl Ear {
    /// New ones.
    pub fn new() -> Self {
        let space = nix::cmsg_space!(nix::sys::time::TimeSpec);
        Self {
            headers: MultiHeaders::preallocate(AT_ONCE, Some(space)),
            buffers: [[0; ROOM]; AT_ONCE],
            came: [(0, 0); AT_ONCE],
        }
    }

    /// How many packets there were.
    fn take(&mut self, socket: &UdpSocket) -> usize {
        let Self { headers, buffers, came } = self;
        let mut slices = buffers.each_mut().map(|buffer| [IoSliceMut::new(buffer)]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let Ok(results) = recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), flags, None) else {
            return 0;
        };
        let mut count = 0;
        for message in results {
            let stamp = message.cmsgs().ok().and_then(|mut all| {
                all.find_map(|one| match one {
                    ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
                    _ => None,
                })
            });
            came[count] = (message.bytes, stamp.map_or_else(now_ns, nanos));
            count += 1;
        }
        count
    }
}

/// Which numbers have come: the highest, and of the 64 before it each.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    highest: Option<u32>,
    bits: u64,
}

impl Seen {
    fn note(&mut self, number: u32) -> Order {
        let Some(highest) = self.highest else {
            (self.highest, self.bits) = (Some(number), 1);
            return Order::Next;
        };
        if number > highest {
            let shift = number - highest;
            self.bits = if shift < 64 { self.bits << shift | 1 } else { 1 };
            self.highest = Some(number);
            return Order::Next;
        }
        let Some(bit) = 1u64.checked_shl(highest - number) else { return Order::Late };
        if self.bits & bit != 0 {
            return Order::Again;
        }
        self.bits |= bit;
        Order::Late
    }
}

fn write(packet: &mut [u8; HEADER + PAYLOAD], said: Said) {
    let ssrc = said.slot << 12 ^ said.generation;
    packet[0] = 0x80;
    packet[1] = PCMA;
    packet[2..4].copy_from_slice(&said.number.to_be_bytes()[2..]);
    packet[4..8].copy_from_slice(&said.number.wrapping_mul(160).to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let mut words = [0; WORDS];
    words[..4].copy_from_slice(&MARK);
    words[4..8].copy_from_slice(&said.slot.to_be_bytes());
    words[8..12].copy_from_slice(&said.generation.to_be_bytes());
    words[12..16].copy_from_slice(&said.number.to_be_bytes());
    words[16..20].copy_from_slice(&said.window.to_be_bytes());
    words[20..].copy_from_slice(&said.sent_ns.to_be_bytes());
    for (samples, word) in packet[HEADER..].as_chunks_mut::<2>().0.iter_mut().zip(words) {
        *samples = [QUIETEST ^ word >> 4, QUIETEST ^ word & 15];
    }
}

fn read(packet: &[u8]) -> Option<Said> {
    let (samples, _) = packet.get(HEADER..)?.as_chunks::<2>();
    let mut words = [0; WORDS];
    for (word, samples) in words.iter_mut().zip(samples.first_chunk::<WORDS>()?) {
        let [high, low] = samples.map(|sample| sample ^ QUIETEST);
        *word = if high | low < 16 { high << 4 | low } else { return None };
    }
    let body = words.strip_prefix(&MARK)?;
    let word = |at: usize| Some(u32::from_be_bytes(*body.get(at..)?.first_chunk()?));
    Some(Said {
        slot: word(0)?,
        generation: word(4)?,
        number: word(8)?,
        window: word(12)?,
        sent_ns: u64::from_be_bytes(*body.get(16..)?.first_chunk()?),
    })
}

/// What a voice sounds like in its packet of this number: a second of vowels with pauses, over and over. A server that
/// listens to it for keys has to look as closely as at people.
fn sound(number: u32) -> &'static [u8] {
    static SECOND: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..PAYLOAD * 50).map(|at| encode(Codec::Pcma, vowel(at as f32 / 8_000.0))).collect()
    });
    let at = usize::try_from(number % 50).unwrap_or(0) * PAYLOAD;
    SECOND.get(at..at + PAYLOAD).unwrap_or_default()
}

/// Harmonics of a voice of 125 Hz under three formants, four syllables a second.
fn vowel(second: f32) -> i16 {
    let syllable = (TAU * 4.0 * second).sin().max(0.0);
    let formants = [(700.0, 1.0), (1_220.0, 0.5), (2_600.0, 0.2)];
    let harmonics = (1..28).map(|number| {
        let hz = 125.0 * number as f32;
        let near = |(at, level): (f32, f32)| level / (1.0 + ((hz - at) / 90.0).powi(2));
        formants.into_iter().map(near).sum::<f32>() * (TAU * hz * second).sin()
    });
    (harmonics.sum::<f32>() * syllable * 5_000.0).clamp(-30_000.0, 30_000.0) as i16
}

/// The clock that the kernel stamps packets by.
pub fn now_ns() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// In whole nanoseconds.
pub fn nanos(since: Duration) -> u64 {
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{HEADER, Order, PAYLOAD, Said, Seen, read, write};

    #[test]
    fn a_packet_says_what_was_written_into_it() {
        let said = Said { slot: 7, generation: 3, number: 70_000, window: 2, sent_ns: 1 << 60 };
        let mut packet = [0; HEADER + PAYLOAD];
        write(&mut packet, said);
        assert_eq!(read(&packet), Some(said));
        assert_eq!(read(&packet[..30]), None);
    }

    #[test]
    fn what_comes_twice_or_late_is_told_apart() {
        let mut seen = Seen::default();
        let orders: Vec<_> = [5, 6, 6, 9, 8, 8, 100, 9].into_iter().map(|number| seen.note(number)).collect();
        use Order::{Again, Late, Next};
        assert_eq!(orders, [Next, Next, Again, Next, Late, Again, Next, Late]);
    }
}
