//! One door for protected packets, for fuzzing: see [`crate::fuzz`].

use vorzimmer_types::srtp::{MasterKey, SrtpKeys, Suite};

use super::derive::Protocol;
use super::open::Source;
use super::transform::{At, Transform};
use super::window::Window;
use super::{MAX_TRAILER, Opener, Sealer, Unopened};
use crate::rtp::{MAX_PACKET, Preamble};

/// Bytes of an MKI, as those make it who send one (RFC 3711 §3.1).
const MKI: [u8; 4] = [0, 0, 0, 1];
/// A tag that nobody guesses in a few billion tries.
const LONG_TAG: usize = 10;

/// Datagrams at a place of the key's life: the first byte says which suite, the next six which index came last, then
/// each datagram comes behind a byte with its length.
///
/// From a stranger each is refused and leaves nothing. From the peer each is opened once and as it was, unless it is too
/// old; changed, cut short, with an MKI that nobody agreed on or under another rollover counter it is not opened at all.
#[must_use]
pub fn packets(bytes: &[u8]) -> bool {
    let Some((&[suite, a, b, c, d, e, f], rest)) = bytes.split_first_chunk::<7>() else { return true };
    let Some(suite) = Suite::ALL.into_iter().cycle().nth(usize::from(suite)) else { return false };
    let newest = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let Some(key) = key(suite) else { return false };
    let all = || datagrams(rest);
    all().all(|datagram| refused(&key, newest, datagram))
        && all().all(|datagram| voice(&key, newest, datagram))
        && talk(&key, all())
}

fn key(suite: Suite) -> Option<MasterKey> {
    let bytes: Vec<u8> = (1..).take(suite.key_len() + suite.salt_len()).collect();
    MasterKey::from_bytes(suite, &bytes)
}

fn datagrams(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (&length, behind) = rest.split_first()?;
        let (datagram, after) = behind.split_at(usize::from(length).min(behind.len()));
        rest = after;
        Some(datagram)
    })
}

/// Whoever opens what this source sends, with this index as the newest that came.
fn opener(key: &MasterKey, newest: u64, ssrc: u32) -> Opener {
    let mut opener = Opener::new(key, SrtpKeys::MAX_LIFETIME);
    opener.sources.push(Source { ssrc, window: Window::new(newest) });
    opener
}

/// What no key made is no packet, stays as it was and makes no state.
fn refused(key: &MasterKey, newest: u64, datagram: &[u8]) -> bool {
    if key.suite().tag_len() < LONG_TAG {
        return true;
    }
    let ssrc = Preamble::parse(datagram).map_or(0, |head| head.ssrc);
    [opener(key, newest, ssrc), Opener::new(key, SrtpKeys::MAX_LIFETIME)].into_iter().all(|mut opener| {
        let (before, mut copy) = (opener.sources(), datagram.to_vec());
        opener.rtp(&mut copy).is_err()
            && opener.rtcp(&mut copy).is_err()
            && copy == datagram
            && opener.sources() == before
    })
}

/// The datagram as the peer would send it at the index that its sequence number means here.
fn voice(key: &MasterKey, newest: u64, datagram: &[u8]) -> bool {
    let Some(head) = Preamble::parse(datagram) else { return true };
    let sealed = |index| {
        let mut room = [0; MAX_PACKET + MAX_TRAILER];
        room.get_mut(..datagram.len())?.copy_from_slice(datagram);
        let at = At { ssrc: head.ssrc, index };
        let length =
            Transform::new(key, Protocol::Rtp).seal_rtp(&mut room, head.length, datagram.len(), at)?;
        room.get(..length).map(<[u8]>::to_vec)
    };
    let window = Window::new(newest);
    let mut opener = opener(key, newest, head.ssrc);
    let Some(index) = window.index_of(head.sequence) else {
        // Before the first index, or after the last: nothing is meant.
        let first = sealed(u64::from(head.sequence));
        return first.is_none_or(|mut packet| opener.rtp(&mut packet) == Err(Unopened::Forged));
    };
    let Some(packet) = sealed(index) else { return true };
    if !window.is_new(index) {
        return opener.rtp(&mut packet.clone()) == Err(Unopened::Replayed);
    }
    let tag = key.suite().tag_len();
    // What has another tag than it should can be right by chance, where tags are short.
    let chanced = changed(&packet, tag).chain(sealed(index ^ 1 << 16)).filter(|_| tag >= LONG_TAG);
    chanced.chain(turned(&packet)).all(|mut wrong| {
        let before = wrong.clone();
        let refused = opener.rtp(&mut wrong);
        refused == Err(Unopened::Forged) && wrong == before
    }) && opens(packet.clone(), datagram, |packet| opener.rtp(packet))
        && opener.rtp(&mut packet.clone()) == Err(Unopened::Replayed)
}

/// The packet cut short, and with an MKI before its tag.
fn changed(packet: &[u8], tag: usize) -> impl Iterator<Item = Vec<u8>> {
    let (body, behind) = packet.split_at(packet.len().saturating_sub(tag));
    let short = packet.get(..packet.len().saturating_sub(1)).unwrap_or_default();
    [short.to_vec(), [body, &MKI, behind].concat()].into_iter()
}

/// The packet with a bit of its tag turned over.
fn turned(packet: &[u8]) -> Option<Vec<u8>> {
    let (last, before) = packet.split_last()?;
    Some([before, &[last ^ 1]].concat())
}

/// All of them sent and received in their order, as far as they have one source.
fn talk<'a>(key: &MasterKey, datagrams: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut sealer, mut opener) = (Sealer::new(key), Opener::new(key, SrtpKeys::MAX_LIFETIME));
    let mut source = None;
    datagrams.into_iter().all(|datagram| {
        let mut held = true;
        if let Some(head) = Preamble::parse(datagram)
            && *source.get_or_insert(head.ssrc) == head.ssrc
            && let Some(packet) = sealer.rtp(datagram)
        {
            held &= opens(packet.to_vec(), datagram, |packet| opener.rtp(packet));
        }
        if let Some(packet) = sealer.rtcp(datagram) {
            held &= opens(packet.to_vec(), datagram, |packet| opener.rtcp(packet));
        }
        held
    })
}

/// It opens as what it was, or the key is used up, and it stays closed.
fn opens(
    mut packet: Vec<u8>,
    plain: &[u8],
    mut open: impl FnMut(&mut [u8]) -> Result<usize, Unopened>,
) -> bool {
    match open(&mut packet) {
        Ok(length) => packet.get(..length) == Some(plain),
        Err(why) => why == Unopened::UsedUp,
    }
}
