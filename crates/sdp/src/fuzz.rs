//! One door for the parser, for fuzzing and for property tests.
//!
//! It takes any bytes and says whether what must always hold did hold: `false`, like a panic, is a bug. Nothing in the
//! server calls it.

use std::net::{Ipv4Addr, SocketAddr};

use vorzimmer_types::entropy::Seeded;

use crate::{Description, Local, Refusal, Session};

/// A description: what is taken prints, is read again as the same, and prints the same; our answer to it, and our
/// offer that it answers, are descriptions too.
#[must_use]
pub fn description(bytes: &[u8]) -> bool {
    let Ok(read) = Description::parse(bytes) else { return true };
    stands(&read) && answered(&read) && accepted(&read)
}

/// Printed, read and printed again, nothing changes, unless the print, which says for each line what the input said once
/// for all, is too much to read.
fn stands(description: &Description) -> bool {
    let printed = description.to_bytes();
    match Description::parse(&printed) {
        Ok(again) => again == *description && again.to_bytes() == printed,
        Err(refusal) => matches!(refusal, Refusal::TooLong { .. } | Refusal::TooManyLines),
    }
}

fn local() -> Local {
    Local::new(SocketAddr::from((Ipv4Addr::new(198, 51, 100, 7), 40_000)))
}

fn answered(offer: &Description) -> bool {
    let mut random = Seeded::new(1);
    let mut session = Session::new(&mut random);
    let Ok((answer, _)) = session.answer(offer, &local(), &mut random) else { return true };
    // RFC 3264 §6: line for line. The offer after it keeps them (§8).
    // A refused audio line is read as audio again, so it is the count that has to stand.
    let read = Description::parse(&answer.to_bytes());
    answer.media.len() == offer.media.len()
        && read.is_ok_and(|read| read.media.len() == answer.media.len())
        && session.offer(&local(), &mut random).is_ok_and(|next| next.media.len() == offer.media.len())
}

fn accepted(answer: &Description) -> bool {
    let mut random = Seeded::new(2);
    let mut session = Session::new(&mut random);
    let Ok(offer) = session.offer(&local(), &mut random) else { return false };
    std::hint::black_box(session.accept(answer).is_ok());
    stands(&offer)
}
