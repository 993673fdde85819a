//! RTCP (RFC 3550 §6): reports about a stream, and goodbyes.
//!
//! Only full compound packets are read (§6.1, §A.2); reduced-size RTCP (RFC 5506) is never negotiated here.

mod build;
mod interval;
mod parse;

pub use build::{Report, SenderInfo, build};
pub use interval::{MIN_INTERVAL, interval};
pub use parse::{Compound, Packet};

/// Largest compound packet that we make: sender report with one block, one CNAME, one goodbye.
pub const MAX_REPORT: usize = 128;

/// A report block (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The source this is about.
    pub ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits with sign.
    pub lost: i32,
    /// Highest sequence number received, with cycles.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP time; 0 if there was none.
    pub last_report: u32,
    /// The time since that came, in 1/65536 s.
    pub delay: u32,
}

/// The middle 32 bits of an NTP time: what reports carry to measure the round trip (RFC 3550 §6.4.1).
#[must_use]
pub const fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::{Block, Compound, Packet, Report, SenderInfo, build};

    fn block() -> Block {
        Block {
            ssrc: 0x0102_0304,
            fraction_lost: 64,
            lost: -3,
            highest: 0x1_fffe,
            jitter: 12,
            last_report: 0xaabb_ccdd,
            delay: 65_536,
        }
    }

    #[test]
    fn what_is_built_is_read_back() {
        let sender = SenderInfo { ntp: 0x0123_4567_89ab_cdef, timestamp: 7, packets: 8, octets: 9 };
        for (sender, about, bye) in [
            (Some(sender), Some(block()), false),
            (None, Some(block()), true),
            (None, None, false),
            (Some(sender), None, true),
        ] {
            let report = Report { ssrc: 0xdead_beef, sender, about, cname: *b"0123456789abcdef", bye };
            let mut bytes = [0; super::MAX_REPORT];
            let length = build(&report, &mut bytes).unwrap();
            assert_eq!(length % 4, 0);
            let packets: Vec<Packet> = Compound::parse(&bytes[..length]).unwrap().collect();
            let first = match sender {
                Some(sender) => Packet::SenderReport { ssrc: 0xdead_beef, sender, block: about },
                None => Packet::ReceiverReport { ssrc: 0xdead_beef, block: about },
            };
            assert_eq!(packets[0], first);
            assert_eq!(packets[1], Packet::Description { ssrc: Some(0xdead_beef) });
            assert_eq!(packets.get(2), bye.then_some(&Packet::Bye { ssrc: Some(0xdead_beef) }));
        }
    }

    #[test]
    fn the_layout_is_the_rfcs() {
        let report =
            Report { ssrc: 1, sender: None, about: Some(block()), cname: *b"0123456789abcdef", bye: true };
        let mut bytes = [0; super::MAX_REPORT];
        let length = build(&report, &mut bytes).unwrap();
        let expected = "81c90007 00000001 01020304 40fffffd 0001fffe 0000000c aabbccdd 00010000 \
                        81ca0006 00000001 01103031 32333435 36373839 61626364 65660000 \
                        81cb0001 00000001";
        let hex: String = bytes[..length]
            .chunks(4)
            .map(|w| format!("{:08x} ", u32::from_be_bytes(w.try_into().unwrap())))
            .collect();
        assert_eq!(hex.trim(), expected.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let rr = [0x80, 201, 0, 1, 0, 0, 0, 1];
        let bye = [0x81, 203, 0, 1, 0, 0, 0, 1];
        let cases: &[(&str, Vec<u8>, bool)] = &[
            ("a receiver report", rr.to_vec(), true),
            ("with a goodbye", [rr, bye].concat(), true),
            ("nothing", vec![], false),
            ("a goodbye alone", bye.to_vec(), false),
            ("another version", [vec![0x40], rr[1..].to_vec()].concat(), false),
            ("a length beyond the end", vec![0x80, 201, 0, 2, 0, 0, 0, 1], false),
            ("bytes left over", [rr.to_vec(), vec![0; 3]].concat(), false),
            ("a block announced, but not there", vec![0x81, 201, 0, 1, 0, 0, 0, 1], false),
            (
                "padding before the end",
                [vec![0xa0, 201, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4], bye.to_vec()].concat(),
                false,
            ),
            (
                "padding at the end",
                [rr.to_vec(), vec![0xa1, 203, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4]].concat(),
                true,
            ),
            ("padding that lies", [rr.to_vec(), vec![0xa1, 203, 0, 1, 0, 0, 0, 99]].concat(), false),
            ("RTP", vec![0x80, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1], false),
        ];
        for (what, bytes, taken) in cases {
            assert_eq!(Compound::parse(bytes).is_some(), *taken, "{what}");
        }
    }
}
