//! The two telephones: what they say at each moment, and the packets that carry it.

use std::collections::VecDeque;
use std::net::SocketAddr;

use vorzimmer_types::Entropy;
use vorzimmer_types::entropy::Seeded;

/// Bytes, and samples, of a frame of G.711: 20 ms.
const FRAME: usize = 160;
const PCMA: u8 = 8;
const EVENT: u8 = 101;

/// What is said: two seeds of noise, so that equal seeds say the same.
#[derive(Clone, Copy, Debug)]
pub struct Speech {
    /// Until everybody has said yes.
    pub before: u64,
    /// From then on.
    pub after: u64,
}

/// One telephone.
#[derive(Debug)]
pub struct Phone {
    pub address: SocketAddr,
    number: u32,
    sequence: u16,
    frames: u32,
    keys: VecDeque<(bool, u32, [u8; 4])>,
}

impl Phone {
    pub fn new(number: u16) -> Self {
        let address = SocketAddr::from(([192, 0, 2, 9], 30_000 + 2 * number));
        Self { address, number: u32::from(number), sequence: 9, frames: 0, keys: VecDeque::new() }
    }

    /// Its offer or answer.
    pub fn description(&self) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
            self.address.port()
        )
    }

    /// Presses a key for 60 ms (RFC 4733), then says a frame or two before the next one.
    pub fn press(&mut self, key: char) {
        let code = "0123456789*#".find(key).expect("a key of a telephone");
        let code = u8::try_from(code).expect("below twelve");
        let began = (self.frames + u32::try_from(self.keys.len()).expect("a few")) * FRAME as u32;
        for (packet, end) in [(1_u16, 0), (2, 0), (3, 0x80), (3, 0x80), (3, 0x80)] {
            let [high, low] = (packet * 160).to_be_bytes();
            self.keys.push_back((packet == 1, began, [code, end | 10, high, low]));
        }
    }

    /// Its next packet: a key if one is pressed, else what this seed says.
    pub fn packet(&mut self, seed: u64) -> Vec<u8> {
        let now = self.frames * FRAME as u32;
        let (kind, marker, timestamp, payload) = match self.keys.pop_front() {
            Some((first, began, event)) => (EVENT, first, began, event.to_vec()),
            None => (PCMA, self.frames == 0, now, self.noise(seed)),
        };
        self.frames += 1;
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, kind | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend((0x1000 + self.number).to_be_bytes());
        packet.extend(payload);
        packet
    }

    /// Noise that depends on the seed, the telephone and the frame, and on nothing else.
    fn noise(&self, seed: u64) -> Vec<u8> {
        let mut payload = vec![0; FRAME];
        let number = u64::from(self.number) << 32 | u64::from(self.frames);
        Seeded::new(seed.wrapping_mul(0x0001_0000_0001_0001) ^ number).fill(&mut payload);
        payload
    }
}
