//! Tells an operator that somebody is trying the doors: one line a minute at most, however much comes.
//!
//! What exactly came is in `/metrics`; who it was is not kept anywhere.

use std::time::{Duration, Instant};

/// How often something is said at most.
const EVERY: Duration = Duration::from_secs(60);
/// Refusals in that time that are worth a line; a house without enemies has a few an hour.
const WORTH_A_LINE: u64 = 100;

/// What was refused since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// SIP messages: unreadable, from nobody we know, with a wrong digest.
    pub messages: u64,
    /// Connections and datagrams that the sockets did not take.
    pub connections: u64,
    /// RTP and RTCP from others than the peer.
    pub packets: u64,
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub struct Siege {
    told: Option<(Instant, Refused)>,
}

impl Siege {
    /// Looks at the counts, and warns if more came in the last minute than comes by chance.
    pub fn look(&mut self, now: Instant, refused: Refused) {
        if let Some(Refused { messages, connections, packets }) = self.worth_a_line(now, refused) {
            tracing::warn!(messages, connections, packets, "strangers are being refused; see /metrics");
        }
    }

    /// What came since a minute ago, when a minute is over and it was much.
    fn worth_a_line(&mut self, now: Instant, refused: Refused) -> Option<Refused> {
        let (since, before) = *self.told.get_or_insert((now, refused));
        if now.saturating_duration_since(since) < EVERY {
            return None;
        }
        self.told = Some((now, refused));
        let fresh = Refused {
            messages: refused.messages.saturating_sub(before.messages),
            connections: refused.connections.saturating_sub(before.connections),
            packets: refused.packets.saturating_sub(before.packets),
        };
        let all = fresh.messages.saturating_add(fresh.connections).saturating_add(fresh.packets);
        (all >= WORTH_A_LINE).then_some(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Refused, Siege};

    #[test]
    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
    fn a_flood_makes_one_line_a_minute_and_a_trickle_none() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let refused = |messages| Refused { messages, ..Refused::default() };
        let mut siege = Siege::default();
        let mut lines = Vec::new();
        for second in 0..=300 {
            // A flood in the second and third minute, one message a second otherwise.
            let flood = second.clamp(60, 180) - 60;
            if let Some(fresh) = siege.worth_a_line(at(second), refused(second + 1_000 * flood)) {
                lines.push((second, fresh.messages));
            }
        }
        assert_eq!(lines, [(120, 60_060), (180, 60_060)]);
    }
}
