//! A bad network in user space: packets are lost, late, out of order, twice, or dressed up, as a seed says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vorzimmer_types::Entropy;
use vorzimmer_types::entropy::{self, Seeded};

/// What a network does to packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Lost, of a hundred.
    pub loss_percent: u32,
    /// Each packet is late by up to so much.
    pub jitter: Duration,
    /// Said twice, of a hundred.
    pub twice_percent: u32,
    /// Every packet carries contributing sources, an extension and padding, all legal and all unwanted.
    pub dressed: bool,
    /// Repeats a run.
    pub seed: u64,
}

/// Packets under way through a network.
#[derive(Debug)]
pub struct Way {
    weather: Weather,
    dice: Seeded,
    waiting: BTreeMap<(Instant, u64), Vec<u8>>,
    offered: u64,
}

impl Way {
    /// Through this weather; `place` tells this way's dice from those of others.
    #[must_use]
    pub fn new(weather: Weather, place: u64) -> Self {
        let dice = Seeded::new(weather.seed.wrapping_add(place.wrapping_mul(0x9e37_79b9)));
        Self { weather, dice, waiting: BTreeMap::new(), offered: 0 }
    }

    /// A packet of RTP sets out. False if it will never arrive.
    pub fn set_out(&mut self, packet: &[u8], now: Instant) -> bool {
        self.offered += 1;
        if self.percent(self.weather.loss_percent) {
            return false;
        }
        let packet = if self.weather.dressed { dressed(packet) } else { packet.to_vec() };
        let copies = 1 + u64::from(self.percent(self.weather.twice_percent));
        for copy in 0..copies {
            let span = self.weather.jitter.as_micros().max(1);
            let late = u128::from(self.draw()) % span;
            let at = now + Duration::from_micros(u64::try_from(late).unwrap_or(0));
            self.waiting.insert((at, 2 * self.offered + copy), packet.clone());
        }
        true
    }

    /// The next packet that has arrived by now.
    pub fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.waiting.first_entry().filter(|first| first.key().0 <= now).map(|first| first.remove())
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.draw() % 100 < percent
    }

    fn draw(&mut self) -> u32 {
        u32::from_be_bytes(entropy::array(&mut self.dice as &mut dyn Entropy))
    }
}

/// The same packet (RFC 3550 §5.1, §5.3.1) with fifteen contributing sources, an extension of 128 bytes, and padding.
fn dressed(packet: &[u8]) -> Vec<u8> {
    let (head, payload) = packet.split_at(12);
    let mut out = head.to_vec();
    out[0] |= 0x20 | 0x10 | 0x0f;
    out.extend((0..15_u32).flat_map(|source| source.to_be_bytes()));
    out.extend([0xbe, 0xde, 0, 32]);
    out.extend([0x5a; 128]);
    out.extend(payload);
    out.extend([0, 0, 0, 4]);
    out
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use vorzimmer_media::rtp::View;

    use super::{Way, Weather, dressed};

    #[test]
    fn the_weather_is_as_it_was_announced() {
        let jitter = Duration::from_millis(40);
        let weather = Weather { loss_percent: 5, jitter, twice_percent: 10, dressed: false, seed: 7 };
        let mut way = Way::new(weather, 0);
        let start = Instant::now();
        let at = |n: u32| start + Duration::from_millis(20) * n;
        let (mut lost, mut came) = (0, Vec::new());
        for n in 0..2_000_u32 {
            lost += u32::from(!way.set_out(&n.to_be_bytes(), at(n)));
            while let Some(packet) = way.arrived(at(n)) {
                came.push(u32::from_be_bytes(packet.try_into().expect("four bytes")));
            }
        }
        let late = came.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!((70..130).contains(&lost), "{lost} lost");
        let twice = came.len() + lost as usize - 2_000;
        assert!((140..260).contains(&twice), "{twice} came twice");
        assert!(late > 200, "{late} out of order");
    }

    #[test]
    fn what_is_dressed_up_holds_the_same() {
        let mut packet = vec![0x80, 8, 0, 9, 0, 0, 0, 160, 0, 0, 0, 7];
        packet.extend([0xd5; 160]);
        let dressed = dressed(&packet);
        let view = View::parse(&dressed).expect("legal RTP");
        assert_eq!((view.sequence, view.timestamp, view.ssrc), (9, 160, 7));
        assert_eq!(view.payload(&dressed), [0xd5; 160]);
    }
}
