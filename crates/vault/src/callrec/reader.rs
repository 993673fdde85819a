//! Accepting a closed recording whole.

use std::io::{Read, Seek};

use super::pages::{Page, Pages};
use super::{Ending, Expected, Header, Refusal};
use crate::error::Result;
use crate::floe::Place;
use crate::keys::SlotSecret;

/// A recording of which every byte was checked. Pages are opened, and checked again, as they are asked for.
#[derive(Debug)]
pub struct Reader<R> {
    pages: Pages<R>,
    count: u64,
    ending: Ending,
}

impl<R: Read + Seek> Reader<R> {
    /// Checks a whole file. `secrets` has one entry for each party; a destroyed one is `None`, and its slot is then
    /// left closed while the others are read.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] with the first thing found wrong, [`crate::Error::Io`].
    pub fn open(source: R, expected: &Expected, secrets: &[Option<SlotSecret>]) -> Result<Self> {
        let mut pages = Pages::open(source, expected, secrets)?;
        let (whole, rest) = pages.whole_pages();
        if rest != 0 {
            return Err(Refusal::PartialPage { len: pages.len }.into());
        }
        let mut page = pages.blank();
        for index in 0..whole {
            pages.read(index, &mut page)?;
            if pages.open_page(index, &mut page)? == Place::Last {
                return Self::at_final(pages, index, &page);
            }
        }
        Err(Refusal::NotClosed { pages: whole }.into())
    }

    /// Takes `page`, opened, as the final page: it stands behind `count` pages of sound.
    pub(super) fn at_final(pages: Pages<R>, count: u64, page: &Page) -> Result<Self> {
        let bytes = pages.len - pages.page_len() * (count + 2);
        if bytes != 0 {
            return Err(Refusal::Trailing { bytes }.into());
        }
        let ending = Ending::decode(&page.slots(), count)?;
        Ok(Self { pages, count, ending })
    }

    /// What the header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.pages.header
    }

    /// What the final page says.
    #[must_use]
    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Pages of sound.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.count
    }

    /// A page to hand to [`Reader::read`].
    #[must_use]
    pub fn blank(&self) -> Page {
        self.pages.blank()
    }

    /// Opens page `index` of sound, from 0, into `page`.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] if there is none, or if the file was changed since it was accepted.
    pub fn read(&mut self, index: u64, page: &mut Page) -> Result<()> {
        self.pages.read_sound(index, self.count, page)
    }
}
