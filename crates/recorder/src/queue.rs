//! The way of sealed pages from the media thread to the thread that writes them: bounded, and without allocating.
//!
//! A queue has a bounded number of page buffers. The recorder takes an empty one, fills it and lets it out; the writer
//! stores it and gives it back. A buffer is made when none has come back yet: a writer that keeps up needs two of them,
//! and then nothing is allocated any more. When it falls behind there is none: the recorder counts a gap and goes on.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use vorzimmer_vault::callrec::SEGMENT_LEN;

/// Pages on their way by default: more than two seconds of sound.
pub const QUEUE_PAGES: usize = 16;

/// A sealed page of sound, or the final page.
pub struct SealedPage {
    /// Its place in the file: page `index + 1` of it.
    pub index: u64,
    /// Counts up when pages were taken back ([`crate::Recorder::take_back`]): the writer throws away pages of an
    /// earlier run.
    pub run: u32,
    /// The page.
    pub bytes: Box<[u8]>,
}

impl fmt::Debug for SealedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedPage")
            .field("index", &self.index)
            .field("run", &self.run)
            .finish_non_exhaustive()
    }
}

/// The recorder's end.
#[derive(Debug)]
pub struct PageQueue {
    empty: Receiver<Box<[u8]>>,
    full: SyncSender<SealedPage>,
    page_len: usize,
    /// Buffers that may still be made.
    unmade: usize,
}

/// The writer's end.
#[derive(Debug)]
pub struct PageDrain {
    full: Receiver<SealedPage>,
    empty: SyncSender<Box<[u8]>>,
}

/// A queue of up to `pages` buffers for recordings of `slots` parties.
#[must_use]
pub fn queue(pages: usize, slots: usize) -> (PageQueue, PageDrain) {
    let page_len = slots * SEGMENT_LEN;
    let (give_empty, empty) = sync_channel(pages);
    let (give_full, full) = sync_channel(pages);
    let queue = PageQueue { empty, full: give_full, page_len, unmade: pages };
    (queue, PageDrain { full, empty: give_empty })
}

impl PageQueue {
    /// Bytes of its pages.
    #[must_use]
    pub fn page_len(&self) -> usize {
        self.page_len
    }

    /// An empty buffer, if the writer keeps up.
    pub(crate) fn take(&mut self) -> Option<Box<[u8]>> {
        if let Ok(buffer) = self.empty.try_recv() {
            return Some(buffer);
        }
        self.unmade = self.unmade.checked_sub(1)?;
        Some(vec![0; self.page_len].into_boxed_slice())
    }

    /// Lets a page out.
    ///
    /// # Errors
    /// The page, if nobody is there to write it.
    pub fn put(&self, page: SealedPage) -> Result<(), SealedPage> {
        use std::sync::mpsc::TrySendError::{Disconnected, Full};
        self.full.try_send(page).map_err(|error| match error {
            Full(page) | Disconnected(page) => page,
        })
    }
}

impl PageDrain {
    /// The next page to write; `None` if there is none now.
    ///
    /// # Errors
    /// [`Ended`] when the recorder is gone and every page was drained.
    pub fn next_page(&self) -> Result<Option<SealedPage>, Ended> {
        match self.full.try_recv() {
            Ok(page) => Ok(Some(page)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Ended),
        }
    }

    /// Gives a page's buffer back once the page is stored. That of a page that came with [`crate::Finished`] is simply
    /// dropped.
    pub fn recycle(&self, page: SealedPage) {
        // The recorder may be gone; then nobody needs the buffer.
        drop(self.empty.try_send(page.bytes));
    }
}

/// The recorder is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recorder is gone")]
pub struct Ended;
