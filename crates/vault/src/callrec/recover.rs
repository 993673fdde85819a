//! Looking at a recording that may not have been closed, and closing it.
//!
//! The rule for the tail: pages that the store acknowledged must all open. Behind them, a write that did not finish is
//! cut off, and nothing else is: a page that is shorter than a page, or that holds a whole disk sector of zeros (which
//! ciphertext never does, and which a file system leaves where a power cut came before the data). From there to the end
//! of the file nothing was acknowledged and all of it goes. A page that is there but does not open is refused.

use std::io::{Read, Seek};

use vorzimmer_types::Entropy;

use super::pages::{Page, Pages};
use super::reader::Reader;
use super::writer::Writer;
use super::{EndReason, Ending, Expected, Form, Header, Refusal, SlotGaps, params};
use crate::error::{Error, Result};
use crate::floe::{Encryptor, Place};
use crate::keys::SlotSecret;

/// What a disk writes whole or not at all.
const SECTOR_LEN: usize = 512;

/// What a look at a recording found.
#[derive(Debug)]
pub enum Recovered<R> {
    /// It was closed and is whole.
    Closed(Reader<R>),
    /// It was not closed.
    Open(Open<R>),
}

/// A recording that was not closed, checked up to its last whole page.
#[derive(Debug)]
pub struct Open<R> {
    pages: Pages<R>,
    count: u64,
    slots: Vec<Encryptor>,
}

/// Checks a file that may not have been closed. `acknowledged` is the number of pages of sound that the store knows to
/// have been synced.
///
/// # Errors
/// [`Error::Refused`] if anything but an unfinished tail is wrong, or acknowledged pages are missing;
/// [`Error::SlotDestroyed`] if it is open and cannot be closed; [`Error::Io`].
pub fn recover<R: Read + Seek>(
    source: R,
    expected: &Expected,
    secrets: &[Option<SlotSecret>],
    acknowledged: u64,
) -> Result<Recovered<R>> {
    let mut pages = Pages::open(source, expected, secrets)?;
    let (whole, _) = pages.whole_pages();
    let mut page = pages.blank();
    let mut count = whole;
    for index in 0..whole {
        pages.read(index, &mut page)?;
        if index >= acknowledged && page.has_unwritten_sector() {
            count = index;
            break;
        }
        if pages.open_page(index, &mut page)? == Place::Last {
            if pages.header.form == Form::AsItCame {
                enough(index, acknowledged)?;
            }
            return Reader::at_final(pages, index, &page).map(Recovered::Closed);
        }
    }
    enough(count, acknowledged)?;
    let slots = encryptors(&pages.header, expected, secrets)?;
    Ok(Recovered::Open(Open { pages, count, slots }))
}

fn enough(found: u64, acknowledged: u64) -> Result<(), Refusal> {
    if found >= acknowledged { Ok(()) } else { Err(Refusal::LostPages { acknowledged, found }) }
}

fn encryptors(
    header: &Header,
    expected: &Expected,
    secrets: &[Option<SlotSecret>],
) -> Result<Vec<Encryptor>> {
    let streams = header.streams(&expected.parties).zip(secrets).enumerate();
    let resumed = streams.map(|(slot, ((stream, aad), secret))| {
        let secret = secret.as_ref().ok_or(Error::SlotDestroyed { slot })?;
        Encryptor::resume(params()?, secret.expose(), &aad, stream)
    });
    resumed.collect()
}

impl Page {
    fn has_unwritten_sector(&self) -> bool {
        self.sealed().chunks_exact(SECTOR_LEN).any(|sector| sector.iter().all(|byte| *byte == 0))
    }
}

impl<R: Read + Seek> Open<R> {
    /// The last page of sound that opens, from 0; `None` if there is none.
    #[must_use]
    pub fn last_page(&self) -> Option<u64> {
        self.count.checked_sub(1)
    }

    /// Pages of sound that open.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.count
    }

    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.pages.header
    }

    /// Where the file has to be cut before the final page is appended.
    #[must_use]
    pub fn sound_len(&self) -> u64 {
        self.pages.page_len() * (self.count + 1)
    }

    /// Bytes behind that, which no one was told are safe.
    #[must_use]
    pub fn torn_len(&self) -> u64 {
        self.pages.len - self.sound_len()
    }

    /// A page to hand to [`Open::read`].
    #[must_use]
    pub fn blank(&self) -> Page {
        self.pages.blank()
    }

    /// Opens page `index` of sound, as [`Reader::read`] does.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is none, or if the file was changed since it was looked at.
    pub fn read(&mut self, index: u64, page: &mut Page) -> Result<()> {
        self.pages.read_sound(index, self.count, page)
    }

    /// The final page that closes the file at [`Open::sound_len`], its reason [`EndReason::Recovered`]. `slots` says
    /// what is known of the gaps, `duration_ms` how long the sound that is left lasts; the receipts root is the header's,
    /// as nobody is left to say another.
    ///
    /// # Errors
    /// If the file has all the pages that a stream can have.
    pub fn final_page(
        self,
        duration_ms: u64,
        slots: Vec<SlotGaps>,
        entropy: &mut dyn Entropy,
    ) -> Result<(R, Vec<u8>)> {
        let receipts_root = self.pages.header.receipts_hash;
        let ending = Ending { reason: EndReason::Recovered, duration_ms, slots, receipts_root };
        let mut page = vec![0; self.pages.page_len() as usize];
        Writer::resume(self.slots, self.count).seal_final(&ending, &mut page, entropy)?;
        Ok((self.pages.into_source(), page))
    }
}
