//! What a request is called between us and the kernel: 8 bits of kind, 24 of generation, 32 of index.

/// Generations of a socket's number: enough that none comes back while something of it is under way.
const GENERATIONS: u32 = 1 << 24;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A receive on the socket `index`.
    Receive,
    /// A datagram in the place `index`.
    Send,
    /// The waker.
    Wake,
    /// The only peer of the socket `index`.
    Fasten,
    /// Nothing whose completion matters.
    Other,
}

/// A request's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) kind: Kind,
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl Ticket {
    pub(crate) fn new(kind: Kind, index: u32, generation: u32) -> Self {
        Self { kind, index, generation }
    }

    /// As the kernel carries it.
    pub(crate) fn number(self) -> u64 {
        let kind: u64 = match self.kind {
            Kind::Receive => 1,
            Kind::Send => 2,
            Kind::Wake => 3,
            Kind::Fasten => 4,
            Kind::Other => 0,
        };
        kind << 56 | u64::from(self.generation % GENERATIONS) << 32 | u64::from(self.index)
    }

    /// As it comes back.
    #[expect(clippy::cast_possible_truncation, reason = "each part has its bits")]
    pub(crate) fn read(number: u64) -> Self {
        let kind = match number >> 56 {
            1 => Kind::Receive,
            2 => Kind::Send,
            3 => Kind::Wake,
            4 => Kind::Fasten,
            _ => Kind::Other,
        };
        Self { kind, index: number as u32, generation: (number >> 32) as u32 % GENERATIONS }
    }
}

/// The generation after this one.
pub(crate) fn next_generation(generation: u32) -> u32 {
    (generation + 1) % GENERATIONS
}

#[cfg(test)]
mod tests {
    use super::{GENERATIONS, Kind, Ticket, next_generation};

    #[test]
    fn what_is_said_comes_back() {
        for kind in [Kind::Receive, Kind::Send, Kind::Wake, Kind::Fasten, Kind::Other] {
            for (index, generation) in [(0, 0), (u32::MAX, GENERATIONS - 1), (7, 3)] {
                let ticket = Ticket::new(kind, index, generation);
                assert_eq!(Ticket::read(ticket.number()), ticket);
            }
        }
        assert_eq!(next_generation(GENERATIONS - 1), 0);
    }
}
