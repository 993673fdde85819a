//! Sealing a recording page by page.

use vorzimmer_types::Entropy;

use super::header::{Header, associated_data};
use super::{Context, Ending, MAX_SLOTS, PLAINTEXT_LEN, SEGMENT_LEN, TEXT_AT, params};
use crate::error::{Error, Result};
use crate::floe::{Encryptor, Place};
use crate::keys::SlotSecret;

/// Seals the pages of one recording, in order, each once. Touches no file and, once started, does not allocate: a
/// media thread can own it and hand full pages to another thread.
#[derive(Debug)]
pub struct Writer {
    slots: Vec<Encryptor>,
    next: u64,
    closed: bool,
}

impl Writer {
    /// Starts a recording with one secret for each party; gives the header page, which is written first.
    ///
    /// # Errors
    /// [`Error::Slots`] unless there are 1 to [`MAX_SLOTS`] parties and as many secrets.
    pub fn start(
        context: &Context,
        secrets: &[SlotSecret],
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Vec<u8>)> {
        let found = context.parties.len();
        if !(1..=MAX_SLOTS).contains(&found) || secrets.len() != found {
            return Err(Error::Slots { found, most: MAX_SLOTS });
        }
        let bound = Header::bound(context);
        let mut slots = Vec::with_capacity(found);
        let mut streams = Vec::with_capacity(found);
        for (slot, (party, secret)) in (0_u8..).zip(context.parties.iter().zip(secrets)) {
            let aad = associated_data(&bound, slot, *party);
            let (encryptor, header) = Encryptor::start(params()?, secret.expose(), &aad, entropy);
            slots.push(encryptor);
            streams.push(header);
        }
        Ok((Self { slots, next: 0, closed: false }, Header::page(&bound, &streams)))
    }

    /// Goes on after `next` pages with streams that were started before.
    pub(super) fn resume(slots: Vec<Encryptor>, next: u64) -> Self {
        Self { slots, next, closed: false }
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_len(&self) -> usize {
        self.slots.len() * SEGMENT_LEN
    }

    /// Pages of sound sealed so far.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.next
    }

    /// Seals one page into `out`: `plaintexts` has one entry for each slot, of at most [`PLAINTEXT_LEN`] bytes. Gives
    /// the page's number, from 0.
    ///
    /// # Errors
    /// [`Error::PageContent`], [`Error::Closed`]. After an error no page with this number must be stored.
    pub fn seal_page(
        &mut self,
        plaintexts: &[&[u8]],
        out: &mut [u8],
        entropy: &mut dyn Entropy,
    ) -> Result<u64> {
        self.seal(Place::Inner, plaintexts, out, entropy)
    }

    /// Takes back pages that were sealed but, as is now known, never stored: the next page will be number `pages`. The
    /// ones taken back must not be stored any more. Their nonces are random, so that sealing their numbers again
    /// repeats nothing.
    pub fn take_back(&mut self, pages: u64) {
        self.next = self.next.min(pages);
    }

    /// Seals the final page into `out`; nothing can be sealed after it.
    ///
    /// # Errors
    /// [`Error::PageContent`], [`Error::Closed`].
    pub fn seal_final(&mut self, ending: &Ending, out: &mut [u8], entropy: &mut dyn Entropy) -> Result<u64> {
        let mut texts = [[0; PLAINTEXT_LEN]; MAX_SLOTS];
        for (slot, text) in texts.iter_mut().enumerate() {
            *text = ending.encode(slot, self.next);
        }
        let plaintexts = texts.each_ref().map(<[u8; PLAINTEXT_LEN]>::as_slice);
        let of_slots = plaintexts.get(..self.slots.len()).unwrap_or_default();
        self.seal(Place::Last, of_slots, out, entropy)
    }

    pub(super) fn seal(
        &mut self,
        place: Place,
        plaintexts: &[&[u8]],
        out: &mut [u8],
        entropy: &mut dyn Entropy,
    ) -> Result<u64> {
        if self.closed {
            return Err(Error::Closed);
        }
        let longest = plaintexts.iter().map(|text| text.len()).max().unwrap_or(0);
        let fits = plaintexts.len() == self.slots.len() && longest <= PLAINTEXT_LEN;
        if !fits || out.len() != self.page_len() {
            return Err(Error::PageContent { slots: self.slots.len(), given: plaintexts.len(), longest });
        }
        let position = self.next;
        // Whatever happens below, this position is not sealed a second time.
        self.next += 1;
        self.closed = place == Place::Last;
        let segments = out.chunks_exact_mut(SEGMENT_LEN);
        for ((encryptor, segment), text) in self.slots.iter_mut().zip(segments).zip(plaintexts) {
            segment[TEXT_AT..TEXT_AT + text.len()].copy_from_slice(text);
            segment[TEXT_AT + text.len()..].fill(0);
            encryptor.seal_in_place(position, place, segment, entropy)?;
        }
        Ok(position)
    }
}
