//! Reading pages one at a time: header, streams, authentication. What the whole file amounts to is decided elsewhere.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};

use zeroize::Zeroize;

use super::{Expected, Header, PLAINTEXT_LEN, Refusal, SEGMENT_LEN, TEXT_AT, params};
use crate::error::{Error, Result};
use crate::floe::{Decryptor, Place};
use crate::keys::SlotSecret;

/// One opened page; wiped when it is dropped or filled again.
#[derive(Clone)]
pub struct Page {
    bytes: Vec<u8>,
    readable: Vec<bool>,
}

impl Page {
    /// The plaintext of slot `slot`: [`PLAINTEXT_LEN`] bytes; `None` if its secret was destroyed.
    #[must_use]
    pub fn slot(&self, slot: usize) -> Option<&[u8]> {
        self.readable.get(slot).filter(|readable| **readable)?;
        let segment = self.bytes.chunks_exact(SEGMENT_LEN).nth(slot)?;
        segment.get(TEXT_AT..TEXT_AT + PLAINTEXT_LEN)
    }

    /// How many slots it has.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.readable.len()
    }

    /// The page as it stands in the file, before it is opened.
    pub(super) fn sealed(&self) -> &[u8] {
        &self.bytes
    }

    /// Every slot's plaintext.
    pub(super) fn slots(&self) -> Vec<Option<&[u8]>> {
        (0..self.readable.len()).map(|slot| self.slot(slot)).collect()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("readable", &self.readable).finish_non_exhaustive()
    }
}

/// A file of which the header fits what is expected; its pages are opened on demand.
pub(super) struct Pages<R> {
    source: R,
    pub(super) header: Header,
    decryptors: Vec<Option<Decryptor>>,
    /// Bytes of the file, the header page included.
    pub(super) len: u64,
}

/// What the front of a file says of the recording. Well-formed, but not authenticated: good for knowing when a file is
/// due, not for trusting it.
///
/// # Errors
/// [`Error::Refused`] if this is no recording, [`Error::Io`].
pub fn read_header<R: Read + Seek>(mut source: R) -> Result<Header> {
    let len = source.seek(SeekFrom::End(0)).map_err(Error::io("look at a recording"))?;
    Ok(Header::parse(&header_page(&mut source, len)?)?)
}

impl<R: Read + Seek> Pages<R> {
    /// Reads the header, and refuses a file that is not the expected recording.
    pub(super) fn open(mut source: R, expected: &Expected, secrets: &[Option<SlotSecret>]) -> Result<Self> {
        let len = source.seek(SeekFrom::End(0)).map_err(Error::io("look at a recording"))?;
        let page = header_page(&mut source, len)?;
        let header = Header::parse(&page)?;
        header.check(expected)?;
        let (found, expected_slots) = (secrets.len(), expected.parties.len());
        if found != expected_slots {
            return Err(Refusal::SlotCount { found, expected: expected_slots }.into());
        }
        if secrets.iter().all(Option::is_none) {
            return Err(Refusal::NoSecret.into());
        }
        let mut decryptors = Vec::with_capacity(found);
        for (slot, ((stream, aad), secret)) in header.streams(&expected.parties).zip(secrets).enumerate() {
            let start = |secret: &SlotSecret| Decryptor::start(params()?, secret.expose(), &aad, stream);
            let refused = |_| Error::Refused(Refusal::StreamHeader { slot });
            decryptors.push(secret.as_ref().map(start).transpose().map_err(refused)?);
        }
        Ok(Self { source, header, decryptors, len })
    }

    pub(super) fn page_len(&self) -> u64 {
        (self.decryptors.len() * SEGMENT_LEN) as u64
    }

    /// Whole pages after the header, and the bytes that follow them.
    pub(super) fn whole_pages(&self) -> (u64, u64) {
        let body = self.len - self.page_len();
        (body / self.page_len(), body % self.page_len())
    }

    /// A page to read into.
    pub(super) fn blank(&self) -> Page {
        let readable = self.decryptors.iter().map(Option::is_some).collect();
        Page { bytes: vec![0; self.page_len() as usize], readable }
    }

    /// Reads page `index` as it stands in the file.
    pub(super) fn read(&mut self, index: u64, into: &mut Page) -> Result<()> {
        let at = self.page_len() * (index + 1);
        self.source.seek(SeekFrom::Start(at)).map_err(Error::io("read a recording"))?;
        self.source.read_exact(&mut into.bytes).map_err(Error::io("read a recording"))
    }

    /// Opens what [`Pages::read`] read, and says which place in the stream it has.
    pub(super) fn open_page(&mut self, index: u64, page: &mut Page) -> Result<Place, Refusal> {
        let claims = page.bytes.chunks_exact(SEGMENT_LEN).map(Place::claimed_by);
        let lasts = claims.filter(|place| *place == Place::Last).count();
        let place = match lasts {
            0 => Place::Inner,
            all if all == self.decryptors.len() => Place::Last,
            _ => return Err(Refusal::SlotsDisagree { page: index }),
        };
        let segments = page.bytes.chunks_exact_mut(SEGMENT_LEN);
        for (slot, (decryptor, segment)) in self.decryptors.iter_mut().zip(segments).enumerate() {
            if let Some(decryptor) = decryptor {
                let opened = decryptor.open_in_place(index, place, segment);
                opened.map_err(|_| Refusal::Segment { page: index, slot })?;
            }
        }
        Ok(place)
    }

    /// Reads and opens page `index` of the `count` that are sound.
    pub(super) fn read_sound(&mut self, index: u64, count: u64, page: &mut Page) -> Result<()> {
        if index >= count {
            return Err(Refusal::NotClosed { pages: count }.into());
        }
        self.read(index, page)?;
        match self.open_page(index, page)? {
            Place::Inner => Ok(()),
            Place::Last => Err(Refusal::Segment { page: index, slot: 0 }.into()),
        }
    }

    pub(super) fn into_source(self) -> R {
        self.source
    }
}

impl<R> fmt::Debug for Pages<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("header", &self.header).field("len", &self.len).finish_non_exhaustive()
    }
}

fn header_page(source: &mut (impl Read + Seek), len: u64) -> Result<Vec<u8>> {
    let too_short = Error::Refused(Refusal::TooShort { len });
    if len < SEGMENT_LEN as u64 {
        return Err(too_short);
    }
    let mut start = [0; SEGMENT_LEN];
    source.rewind().map_err(Error::io("read a recording"))?;
    source.read_exact(&mut start).map_err(Error::io("read a recording"))?;
    let slots = Header::slots(&start)?;
    let mut page = vec![0; slots * SEGMENT_LEN];
    if len < page.len() as u64 {
        return Err(too_short);
    }
    page[..SEGMENT_LEN].copy_from_slice(&start);
    source.read_exact(&mut page[SEGMENT_LEN..]).map_err(Error::io("read a recording"))?;
    Ok(page)
}
