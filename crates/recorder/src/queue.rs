//! The way of sealed pages from the media thread to the thread that writes them: bounded, and without allocating.
//!
//! The recordings of one media thread share a [`Stock`] of empty pages. A recorder takes one, fills it and lets it out;
//! the writer stores it and puts it back. A page is made when the stock is empty, so that there are as many as were on
//! their way at the same time, however many recordings run. Of one recording only so many may be on their way: when the
//! writer falls behind further, the recorder counts a gap and goes on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use crossbeam_queue::ArrayQueue;
use vorzimmer_vault::callrec::SEGMENT_LEN;

/// Pages of one recording on their way by default: more than two seconds of sound.
pub const QUEUE_PAGES: usize = 16;

/// Empty pages that a media thread keeps at most: 4 MB. Those beyond are given back to the system.
const STOCK_PAGES: usize = 1_024;
/// And at least.
const FEW_PAGES: usize = 64;
/// One page is kept for so many recordings. A writer that looks every 20 ms for pages of 160 ms has that of every eighth on
/// its way; twice that is enough, and what a slow disk holds up besides is not worth keeping until the next time.
const RECORDINGS_A_PAGE: usize = 4;

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

/// Empty pages, shared by recordings. Copies of it are the same stock.
#[derive(Clone, Debug)]
pub struct Stock(Arc<ArrayQueue<Box<[u8]>>>);

impl Stock {
    /// Nothing, with room for `pages`.
    #[must_use]
    pub fn new(pages: usize) -> Self {
        Self(Arc::new(ArrayQueue::new(pages.max(1))))
    }

    /// Nothing, with room for what so many recordings have on their way.
    #[must_use]
    pub fn for_recordings(most: usize) -> Self {
        Self::new((most / RECORDINGS_A_PAGE).clamp(FEW_PAGES, STOCK_PAGES))
    }

    /// A queue for one recording of `slots` parties, of which up to `pages` are on their way.
    #[must_use]
    pub fn queue(&self, pages: usize, slots: usize) -> (PageQueue, PageDrain) {
        let page_len = slots * SEGMENT_LEN;
        let (give_full, full) = sync_channel(pages);
        let under_way = Arc::new(AtomicUsize::new(0));
        let drain = PageDrain { stock: self.clone(), full, under_way: Arc::clone(&under_way) };
        (PageQueue { stock: self.clone(), full: give_full, page_len, most: pages, under_way }, drain)
    }

    /// An empty page. One for another number of parties is not kept: nearly all recordings are of two.
    fn take(&self, page_len: usize) -> Box<[u8]> {
        let kept = self.0.pop().filter(|page| page.len() == page_len);
        kept.unwrap_or_else(|| vec![0; page_len].into_boxed_slice())
    }

    fn put(&self, page: Box<[u8]>) {
        // When there is no room for it, it is no longer needed.
        drop(self.0.push(page));
    }
}

/// The recorder's end.
#[derive(Debug)]
pub struct PageQueue {
    stock: Stock,
    full: SyncSender<SealedPage>,
    page_len: usize,
    /// Pages that may be on their way.
    most: usize,
    under_way: Arc<AtomicUsize>,
}

/// The writer's end.
#[derive(Debug)]
pub struct PageDrain {
    stock: Stock,
    full: Receiver<SealedPage>,
    under_way: Arc<AtomicUsize>,
}

/// A queue of up to `pages` for a recording of `slots` parties, with a stock of its own.
#[must_use]
pub fn queue(pages: usize, slots: usize) -> (PageQueue, PageDrain) {
    Stock::new(pages).queue(pages, slots)
}

impl PageQueue {
    /// Bytes of its pages.
    #[must_use]
    pub fn page_len(&self) -> usize {
        self.page_len
    }

    /// An empty page, if the writer keeps up.
    pub(crate) fn take(&mut self) -> Option<Box<[u8]>> {
        // Nobody else adds to it.
        if self.under_way.load(Ordering::Relaxed) >= self.most {
            return None;
        }
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Some(self.stock.take(self.page_len))
    }

    /// Gives back a page that was taken and into which nothing was sealed.
    pub(crate) fn give_back(&mut self, mut page: Box<[u8]>) {
        page.fill(0);
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        self.stock.put(page);
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

    /// Puts a page back once it is stored. One that came with [`crate::Finished`] is simply dropped.
    pub fn recycle(&self, page: SealedPage) {
        self.stock.put(page.bytes);
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The recorder is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recorder is gone")]
pub struct Ended;

#[cfg(test)]
mod tests {
    use super::{SealedPage, Stock};

    #[test]
    fn recordings_share_pages_and_each_has_its_own_bound() {
        let stock = Stock::new(8);
        let (mut first, first_drain) = stock.queue(2, 2);
        let (mut second, _second_drain) = stock.queue(2, 2);
        let pages = [first.take().unwrap(), first.take().unwrap()];
        assert!(first.take().is_none(), "two are on their way");
        for (index, mut bytes) in (0..).zip(pages) {
            bytes[0] = 7;
            first.put(SealedPage { index, run: 0, bytes }).unwrap();
        }
        assert!(first.take().is_none());
        first_drain.recycle(first_drain.next_page().unwrap().unwrap());
        assert_eq!(second.take().unwrap()[0], 7, "what the first has used");
        let unused = first.take().unwrap();
        assert_eq!(unused[0], 0, "a new one");
        assert!(first.take().is_none());
        first.give_back(unused);
        assert!(first.take().is_some());
    }

    #[test]
    fn a_page_for_more_parties_is_not_made_of_one_for_fewer() {
        let stock = Stock::new(8);
        let (mut two, drain) = stock.queue(2, 2);
        let bytes = two.take().unwrap();
        drain.recycle(SealedPage { index: 0, run: 0, bytes });
        assert_eq!(stock.queue(2, 3).0.take().unwrap().len(), 3 * 2_048);
    }
}
