//! Page 0: what a recording says about itself.

use vorzimmer_types::{CustomerId, Day, PartyId, RecordingId};

use super::{Context, Expected, Form, MAX_SLOTS, Refusal, SEGMENT_LEN};
use crate::floe;

const MAGIC: &[u8; 8] = b"CALLREC1";
const VERSION: u16 = 1;
const HEADER_PAGES: u16 = 1;
/// Bytes that every segment's associated data repeats.
const BOUND_LEN: usize = 112;
const STREAM_HEADERS_AT: usize = 1024;
const STREAM_HEADER_STEP: usize = 256;
const AAD_LEN: usize = BOUND_LEN + 1 + 16;

/// A header page that is well-formed. Whether it is true is known when the streams open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The recording.
    pub recording: RecordingId,
    /// Whose recording it is.
    pub customer: CustomerId,
    /// The day on which it is due.
    pub expiry: Day,
    /// The version of the key that wrapped its secrets when it was made.
    pub key_version: u32,
    /// The recorder's number for the way sound is encoded.
    pub codec: u8,
    /// Where its sound comes from.
    pub form: Form,
    /// SHA-256 of the consent receipts that permit it.
    pub receipts_hash: [u8; 32],
    bound: [u8; BOUND_LEN],
    streams: Vec<[u8; floe::HEADER_LEN]>,
}

impl Header {
    /// Bytes of each of its pages, the header's own included: a segment for each voice.
    #[must_use]
    pub fn page_len(&self) -> u64 {
        (self.streams.len() * SEGMENT_LEN) as u64
    }

    /// The bytes before the stream headers: all that the streams' associated data needs.
    pub(super) fn bound(context: &Context) -> [u8; BOUND_LEN] {
        let mut out = [0; BOUND_LEN];
        out[..8].copy_from_slice(MAGIC);
        out[8..10].copy_from_slice(&VERSION.to_be_bytes());
        out[10..12].copy_from_slice(&HEADER_PAGES.to_be_bytes());
        out[12..16].copy_from_slice(&context.form.code().to_be_bytes());
        out[16..32].copy_from_slice(context.recording.as_bytes());
        out[32..48].copy_from_slice(context.customer.as_bytes());
        out[48..56].copy_from_slice(&u64::from(context.expiry.0).to_be_bytes());
        out[56..60].copy_from_slice(&context.key_version.to_be_bytes());
        out[60..64].copy_from_slice(&context.form.segment_ms().to_be_bytes());
        out[64] = context.parties.len() as u8;
        out[65] = context.codec;
        out[68..72].copy_from_slice(&(SEGMENT_LEN as u32).to_be_bytes());
        out[80..112].copy_from_slice(&context.receipts_hash);
        out
    }

    /// The whole page.
    pub(super) fn page(bound: &[u8; BOUND_LEN], streams: &[[u8; floe::HEADER_LEN]]) -> Vec<u8> {
        let mut page = vec![0; streams.len() * SEGMENT_LEN];
        page[..BOUND_LEN].copy_from_slice(bound);
        for (place, stream) in page[STREAM_HEADERS_AT..].chunks_mut(STREAM_HEADER_STEP).zip(streams) {
            place[..floe::HEADER_LEN].copy_from_slice(stream);
        }
        page
    }

    /// How many slots a file has, from its first [`SEGMENT_LEN`] bytes.
    pub(super) fn slots(start: &[u8; SEGMENT_LEN]) -> Result<usize, Refusal> {
        if !start.starts_with(MAGIC) {
            return Err(Refusal::Magic);
        }
        let slots = usize::from(start[64]);
        if (1..=MAX_SLOTS).contains(&slots) { Ok(slots) } else { Err(Refusal::Field { offset: 64 }) }
    }

    /// Reads a header page of `slots` slots.
    ///
    /// # Errors
    /// [`Refusal::Field`] or [`Refusal::NotZero`] unless writing it again gives the same bytes.
    pub(super) fn parse(page: &[u8]) -> Result<Self, Refusal> {
        let too_short = Refusal::TooShort { len: page.len() as u64 };
        let (start, _) = page.split_first_chunk::<SEGMENT_LEN>().ok_or(too_short)?;
        let slots = Self::slots(start)?;
        if page.len() != slots * SEGMENT_LEN {
            return Err(too_short);
        }
        let expiry = u64::from_be_bytes(array_at(start, 48));
        let context = Context {
            recording: RecordingId::from_bytes(array_at(start, 16)),
            customer: CustomerId::from_bytes(array_at(start, 32)),
            expiry: Day(u32::try_from(expiry).map_err(|_| Refusal::Field { offset: 48 })?),
            key_version: u32::from_be_bytes(array_at(start, 56)),
            codec: start[65],
            // A form that is not known is found below, as the byte that differs.
            form: Form::from_code(u32::from_be_bytes(array_at(start, 12))).unwrap_or_default(),
            parties: vec![PartyId::from_bytes([0; 16]); slots],
            receipts_hash: array_at(start, 80),
        };
        let bound = Self::bound(&context);
        let places = page[STREAM_HEADERS_AT..].chunks(STREAM_HEADER_STEP).take(slots);
        let streams: Vec<_> = places.filter_map(|place| place.first_chunk().copied()).collect();
        let written = Self::page(&bound, &streams);
        match page.iter().zip(&written).position(|(found, expected)| found != expected) {
            Some(offset) if offset < 72 && !(12..16).contains(&offset) => Err(Refusal::Field { offset }),
            Some(offset) => Err(Refusal::NotZero { offset }),
            None => Ok(Self {
                recording: context.recording,
                customer: context.customer,
                expiry: context.expiry,
                key_version: context.key_version,
                codec: context.codec,
                form: context.form,
                receipts_hash: context.receipts_hash,
                bound,
                streams,
            }),
        }
    }

    /// Refuses another recording than the expected one.
    pub(super) fn check(&self, expected: &Expected) -> Result<(), Refusal> {
        if self.recording != expected.recording {
            return Err(Refusal::OtherRecording);
        }
        if self.customer != expected.customer {
            return Err(Refusal::OtherCustomer);
        }
        if self.expiry != expected.expiry {
            return Err(Refusal::OtherExpiry);
        }
        let (found, expected) = (self.streams.len(), expected.parties.len());
        if found == expected { Ok(()) } else { Err(Refusal::SlotCount { found, expected }) }
    }

    /// Each slot's stream header with the associated data that it needs.
    pub(super) fn streams<'a>(
        &'a self,
        parties: &'a [PartyId],
    ) -> impl Iterator<Item = (&'a [u8; floe::HEADER_LEN], [u8; AAD_LEN])> {
        let slots = (0_u8..).zip(&self.streams).zip(parties);
        slots.map(|((slot, stream), party)| (stream, associated_data(&self.bound, slot, *party)))
    }
}

/// `bytes 0..112 of page 0 | u8 slot | party id [16]`.
pub(super) fn associated_data(bound: &[u8; BOUND_LEN], slot: u8, party: PartyId) -> [u8; AAD_LEN] {
    let mut aad = [0; AAD_LEN];
    aad[..BOUND_LEN].copy_from_slice(bound);
    aad[BOUND_LEN] = slot;
    aad[BOUND_LEN + 1..].copy_from_slice(party.as_bytes());
    aad
}

/// The `N` bytes at the fixed place `at` of a header.
fn array_at<const N: usize>(start: &[u8; SEGMENT_LEN], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&start[at..at + N]);
    out
}
