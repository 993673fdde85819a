//! All voices, each in its place of a round of 20 ms, and the count of what became of their packets.
//!
//! In its place a voice first takes what has come for it, then says its next packet. Places are spread evenly over the
//! round, as calls are that begin at any time.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::delay::{Delays, Summary};
use crate::stamps::Stamps;
use crate::voice::{Arrived, Ear, Keys, Order, Stream};

/// A packet's time, in nanoseconds.
const ROUND_NS: u64 = 20_000_000;
/// Places served before anything else has its turn.
const AT_ONCE: u32 = 128;
/// Lowest port of a voice.
const FIRST_PORT: u16 = 33_000;

/// All voices.
pub struct Engine {
    slots: Vec<Option<Stream>>,
    free: Vec<usize>,
    generation: u32,
    next_port: u16,
    began: Instant,
    cursor: u64,
    ear: Ear,
    _stamps: Stamps,
    window: u32,
    measuring: bool,
    tally: Tally,
    carried: u64,
}

/// What became of the packets of one measurement.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Packets that were sent.
    pub sent: u64,
    /// Of them, those that arrived.
    pub arrived: u64,
    /// Copies of those that had arrived.
    pub duplicates: u64,
    /// Packets that came after one that was sent later.
    pub reordered: u64,
    /// Packets that the kernel did not take from us.
    pub refused: u64,
    delays: Delays,
    /// By how much the generator itself was late with a packet.
    late: Delays,
}

impl Tally {
    fn new() -> Self {
        let (delays, late) = (Delays::new(), Delays::new());
        Self { sent: 0, arrived: 0, duplicates: 0, reordered: 0, refused: 0, delays, late }
    }

    /// Packets that never came.
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.arrived)
    }

    /// From one voice to the other, in microseconds.
    pub fn delay(&self) -> Summary {
        self.delays.summary()
    }

    /// Of the generator itself, in microseconds.
    pub fn late(&self) -> Summary {
        self.late.summary()
    }
}

impl Engine {
    /// With places for so many voices.
    ///
    /// # Errors
    /// The kernel does not stamp what comes.
    pub fn new(places: usize) -> io::Result<Self> {
        Ok(Self {
            slots: (0..places).map(|_| None).collect(),
            free: spread(places),
            generation: 0,
            next_port: FIRST_PORT + 1,
            began: Instant::now(),
            cursor: 0,
            ear: Ear::new(),
            _stamps: Stamps::ask()?,
            window: 0,
            measuring: false,
            tally: Tally::new(),
            carried: 0,
        })
    }

    /// A new voice: its place, and its port.
    ///
    /// # Errors
    /// No port is free, or no place.
    pub fn open(&mut self, counted: bool) -> io::Result<(usize, u16)> {
        let slot = self.free.pop().ok_or_else(|| io::Error::other("no place is free for a voice"))?;
        self.generation += 1;
        let stream = Stream::open(self.generation, counted, &mut self.next_port)?;
        let port = stream.port();
        self.slots[slot] = Some(stream);
        Ok((slot, port))
    }

    /// Has a voice talk.
    ///
    /// # Errors
    /// The system's.
    pub fn talk(&mut self, slot: usize, to: SocketAddr, keys: Option<Keys>) -> io::Result<()> {
        self.slots[slot].as_mut().map_or(Ok(()), |stream| stream.talk(to, keys))
    }

    /// Presses keys, where a voice is.
    pub fn press(&mut self, slot: usize, keys: &str) {
        if let Some(stream) = self.slots[slot].as_mut() {
            keys.chars().for_each(|key| stream.press(key));
        }
    }

    /// Ends a voice.
    pub fn close(&mut self, slot: usize) {
        if self.slots[slot].take().is_some() {
            self.free.push(slot);
        }
    }

    /// Voices that talk.
    pub fn talking(&self) -> usize {
        self.slots.iter().flatten().filter(|stream| stream.is_talking()).count()
    }

    /// From now on packets are counted.
    pub fn begin(&mut self) {
        self.window += 1;
        self.measuring = true;
        self.tally = Tally::new();
    }

    /// Packets that are sent from now on are not counted; those under way still are.
    pub fn pause(&mut self) {
        self.measuring = false;
    }

    /// What was counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Packets of voices and prompts, sent and heard, ever: as many as whatever is measured has received and sent.
    pub fn carried(&self) -> u64 {
        self.carried
    }

    /// Serves the places whose time has come; how long until the next.
    pub fn turn(&mut self) -> Duration {
        let since = || u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let now = since();
        let places = self.slots.len() as u64;
        for _ in 0..AT_ONCE {
            let due = self.cursor * ROUND_NS / places;
            if due > now {
                return Duration::from_nanos(due - now);
            }
            let slot = usize::try_from(self.cursor % places).unwrap_or(0);
            self.cursor += 1;
            self.serve(slot, (now - due) / 1_000);
        }
        Duration::ZERO
    }

    fn serve(&mut self, slot: usize, late_us: u64) {
        // Out of its place while it works: what it hears is about other voices.
        let Some(mut stream) = self.slots[slot].take() else { return };
        let Self { ear, slots, tally, window, .. } = self;
        self.carried += stream.hear(ear, |arrived| note(slots, tally, *window, arrived));
        if stream.is_talking() {
            let counted = self.measuring && stream.counted && stream.speaks();
            let window = if counted { self.window } else { 0 };
            let taken = stream.say(u32::try_from(slot).unwrap_or(u32::MAX), window);
            self.carried += u64::from(taken);
            if counted {
                self.tally.sent += 1;
                self.tally.refused += u64::from(!taken);
                self.tally.late.note(late_us);
            }
        }
        self.slots[slot] = Some(stream);
    }
}

/// All places, the first to be taken last: however many are taken, they stand evenly in the round.
fn spread(places: usize) -> Vec<usize> {
    // Steps of the golden ratio, the nearest that meets every place before it comes back.
    let golden = places * 1_000 / 1_618;
    let step = (golden..places).find(|step| gcd(*step, places) == 1).unwrap_or(1);
    (0..places).rev().map(|nth| nth * step % places).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn note(slots: &mut [Option<Stream>], tally: &mut Tally, window: u32, arrived: Arrived) {
    let said = arrived.said;
    if said.window != window || window == 0 {
        return;
    }
    let sender = usize::try_from(said.slot).ok().and_then(|slot| slots.get_mut(slot));
    let Some(order) = sender.and_then(Option::as_mut).and_then(|stream| stream.arrived(said)) else { return };
    match order {
        Order::Again => tally.duplicates += 1,
        Order::Next | Order::Late => {
            tally.arrived += 1;
            tally.reordered += u64::from(order == Order::Late);
            tally.delays.note(arrived.at_ns.saturating_sub(said.sent_ns) / 1_000);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn however_many_places_are_taken_they_stand_evenly() {
        for places in [1, 2, 40, 400, 1_001, 2_000] {
            let order: Vec<_> = spread(places).into_iter().rev().collect();
            for taken in 1..=places {
                let mut stand = order[..taken].to_vec();
                stand.sort_unstable();
                let around = stand[0] + places - stand[taken - 1];
                let widest = stand.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0).max(around);
                // The golden ratio's gaps differ by less than this; a place more for the rounding.
                assert!(widest <= 3 * places / taken + 3, "{taken} of {places}: {widest}");
                stand.dedup();
                assert_eq!(stand.len(), taken);
            }
        }
    }
}
