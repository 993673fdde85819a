//! Which packets of a stream came, came twice, or never came (after RFC 3550 appendix A.1).

/// A jump of more packets than this is a new beginning, not a loss (`MAX_DROPOUT`).
const MAX_DROPOUT: u16 = 3000;
/// How many packets back a late one is still waited for.
const WINDOW: u16 = 64;

/// What a packet's number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is new. So many packets are now known to be lost, in so many runs.
    New(Losses),
    /// It came before, or so late that it counted as lost.
    Stale,
}

/// Packets that never came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) packets: u32,
    /// Runs that begin among them; one that goes on from earlier is not counted again.
    pub(crate) runs: u32,
}

/// The last packets of one stream.
#[derive(Debug)]
pub(crate) struct Sequence {
    highest: u16,
    /// Bit i: packet `highest - i` came, or was never to come.
    seen: u64,
    in_run: bool,
}

impl Sequence {
    pub(crate) fn starting_at(number: u16) -> Self {
        Self { highest: number, seen: u64::MAX, in_run: false }
    }

    /// Whether this is the number after the highest so far.
    pub(crate) fn is_next(&self, number: u16) -> bool {
        number == self.highest.wrapping_add(1)
    }

    pub(crate) fn arrive(&mut self, number: u16) -> Arrival {
        let ahead = number.wrapping_sub(self.highest);
        let behind = self.highest.wrapping_sub(number);
        if (1..=MAX_DROPOUT).contains(&ahead) {
            let mut losses = Losses::default();
            for _ in 0..ahead {
                self.shift(false, &mut losses);
            }
            self.seen |= 1;
            self.highest = number;
            Arrival::New(losses)
        } else if behind < WINDOW {
            let bit = 1 << behind;
            let new = self.seen & bit == 0;
            self.seen |= bit;
            if new { Arrival::New(Losses::default()) } else { Arrival::Stale }
        } else if behind <= MAX_DROPOUT {
            Arrival::Stale
        } else {
            *self = Self::starting_at(number);
            Arrival::New(Losses::default())
        }
    }

    /// What is missing now that nothing more will come.
    pub(crate) fn finish(&mut self) -> Losses {
        let mut losses = Losses::default();
        for _ in 0..WINDOW {
            self.shift(true, &mut losses);
        }
        losses
    }

    /// Lets the oldest packet go and puts the next one in.
    fn shift(&mut self, came: bool, losses: &mut Losses) {
        let lost = self.seen >> (WINDOW - 1) == 0;
        losses.packets += u32::from(lost);
        losses.runs += u32::from(lost && !self.in_run);
        self.in_run = lost;
        self.seen = self.seen << 1 | u64::from(came);
    }
}

#[cfg(test)]
mod tests {
    use super::{Arrival, Losses, Sequence};

    /// Feeds `numbers`, gives stale ones and the losses known at the end.
    fn run(first: u16, numbers: &[u16]) -> (Vec<u16>, Losses) {
        let mut sequence = Sequence::starting_at(first);
        let mut stale = Vec::new();
        let mut sum = Losses::default();
        for &number in numbers {
            match sequence.arrive(number) {
                Arrival::Stale => stale.push(number),
                Arrival::New(losses) => {
                    sum.packets += losses.packets;
                    sum.runs += losses.runs;
                }
            }
        }
        let rest = sequence.finish();
        (stale, Losses { packets: sum.packets + rest.packets, runs: sum.runs + rest.runs })
    }

    #[test]
    fn losses_duplicates_and_reordering_are_told_apart() {
        /// What, first packet, further ones, stale ones among them, packets and runs lost.
        type Case = (&'static str, u16, &'static [u16], &'static [u16], (u32, u32));
        let table: &[Case] = &[
            ("in order", 5, &[6, 7, 8], &[], (0, 0)),
            ("across the wrap", 65_534, &[65_535, 0, 1], &[], (0, 0)),
            ("one lost", 5, &[7, 8], &[], (1, 1)),
            ("two in one run", 5, &[8, 9], &[], (2, 1)),
            ("two runs", 5, &[7, 9, 10], &[], (2, 2)),
            ("reordered is not lost", 5, &[7, 6, 8], &[], (0, 0)),
            ("twice", 5, &[6, 6, 5, 7], &[6, 5], (0, 0)),
            ("before the first", 5, &[4, 6], &[4], (0, 0)),
            ("lost and far behind", 5, &[7, 100, 6], &[6], (93, 2)),
            ("a long loss is one run", 5, &[500], &[], (494, 1)),
            ("a new beginning is no loss", 5, &[30_000, 30_001], &[], (0, 0)),
        ];
        for (what, first, numbers, stale, (packets, runs)) in table {
            let expected = (stale.to_vec(), Losses { packets: *packets, runs: *runs });
            assert_eq!(run(*first, numbers), expected, "{what}");
        }
    }
}
