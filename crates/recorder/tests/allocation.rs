//! Law 7: the media thread does not allocate for a packet, nor for a page.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first surprise")]

mod common;

use common::{Rig, caller, epoch, ms, receptionist};

#[test]
fn nothing_is_allocated_while_a_call_runs() {
    let mut rig = Rig::start();
    let packets: Vec<_> =
        (0..500).map(|number| [caller().packet(number), receptionist().packet(number)]).collect();
    let mut play = |from: usize, to: usize| {
        for (number, pair) in packets.iter().enumerate().take(to).skip(from) {
            let now = epoch() + ms(number as u64 * 20);
            for (slot, packet) in pair.iter().enumerate() {
                rig.recorder.frame(slot, &packet.frame(), now, &mut rig.entropy);
            }
            rig.recorder.poll(now + ms(10), &mut rig.entropy);
            while let Ok(Some(page)) = rig.drain.next_page() {
                rig.drain.recycle(page);
            }
        }
    };
    play(0, 20);
    let counted = allocation_counter::measure(|| play(20, 500));
    assert_eq!(counted.count_total, 0, "over 480 packets of each party and 60 pages");
}
