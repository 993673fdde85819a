//! One recording's file while it is written: whole pages only, room for the last ones always reserved.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use vorzimmer_recorder::{HeaderPage, PageDrain, SealedPage};

/// Disk space is reserved this many bytes ahead, so that a full disk is found before the last pages, not by them.
const RESERVE: u64 = 64 * 4_096;

/// Pages that always have room: one that is on its way, the last sound and the final page.
const LAST_PAGES: u64 = 3;

/// A recording that is being written.
#[derive(Debug)]
pub struct OpenFile {
    file: Arc<File>,
    worker: usize,
    drain: Option<PageDrain>,
    /// Pages of an earlier run were taken back by the recorder and are thrown away.
    run: u32,
    sound_pages: u64,
    bytes: u64,
    reserved: u64,
    unsynced: bool,
    /// What was written is being made safe.
    syncing: bool,
    refusing: bool,
    finished: bool,
}

/// What became of the pages in a queue.
#[derive(Debug)]
pub enum Draining {
    /// All are written.
    Written,
    /// Page `stored` was not taken; the recorder has to take it back with all that followed.
    Refused {
        /// Pages of sound that are written.
        stored: u64,
        /// The system's words.
        error: io::Error,
        /// Whether the pages before it were refused too: somebody was told already.
        again: bool,
    },
}

impl OpenFile {
    /// Makes the file, of mode 0600, with room for the first pages. Its name is durable once its folder is synced.
    ///
    /// # Errors
    /// The system's; no file is left then.
    pub fn create(path: &Path, worker: usize) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        let mut open = Self {
            file: Arc::new(file),
            worker,
            drain: None,
            run: 0,
            sound_pages: 0,
            bytes: 0,
            reserved: 0,
            unsynced: false,
            syncing: false,
            refusing: false,
            finished: false,
        };
        if let Err(error) = open.reserve() {
            std::fs::remove_file(path)?;
            return Err(error);
        }
        Ok(open)
    }

    /// Writes the first page and takes pages from this queue from now on.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(&mut self, header: &HeaderPage, drain: PageDrain) -> io::Result<()> {
        self.append(&header.0)?;
        self.drain = Some(drain);
        Ok(())
    }

    /// Which worker it belongs to.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// What is to be made safe now, if anything was written since the last time and that is done.
    pub fn unsynced(&mut self) -> Option<Written> {
        if !self.unsynced || self.syncing {
            return None;
        }
        (self.unsynced, self.syncing) = (false, true);
        Some(self.written())
    }

    /// What [`OpenFile::unsynced`] gave is done with.
    pub fn synced(&mut self, safe: bool) {
        self.syncing = false;
        self.unsynced |= !safe;
    }

    /// What is to be made safe at the end.
    pub fn into_written(self) -> Written {
        self.written()
    }

    fn written(&self) -> Written {
        let bytes = self.finished.then_some(self.bytes);
        Written { file: Arc::clone(&self.file), sound_pages: self.sound_pages, bytes }
    }

    /// Writes what waits in the queue.
    pub fn drain(&mut self) -> Draining {
        let Some(drain) = self.drain.take() else { return Draining::Written };
        let mut result = Draining::Written;
        // An ended queue is an empty one: the last pages come with the order to finish.
        while let Ok(Some(page)) = drain.next_page() {
            let of_this_run = page.run == self.run && matches!(result, Draining::Written);
            if of_this_run && let Err(error) = self.append_sound(&page) {
                self.run += 1;
                let again = std::mem::replace(&mut self.refusing, true);
                result = Draining::Refused { stored: self.sound_pages, error, again };
            }
            drain.recycle(page);
        }
        self.drain = Some(drain);
        result
    }

    /// Writes what is left in the queue, the last sound and the final page.
    ///
    /// # Errors
    /// One of them cannot be written: the file then has no final page.
    pub fn finish(&mut self, last: Vec<SealedPage>) -> io::Result<()> {
        if let Draining::Refused { error, .. } = self.drain() {
            return Err(error);
        }
        let count = last.len();
        for (at, page) in last.into_iter().enumerate() {
            if page.run != self.run || page.index != self.sound_pages {
                return Err(io::Error::other("pages before the last one were lost"));
            }
            if at + 1 < count {
                self.write(&page.bytes)?;
                self.sound_pages += 1;
            } else {
                self.write(&page.bytes)?;
            }
        }
        self.finished = true;
        Ok(())
    }

    fn append_sound(&mut self, page: &SealedPage) -> io::Result<()> {
        if page.index != self.sound_pages {
            return Err(io::Error::other("a page before this one was lost"));
        }
        self.append(&page.bytes)?;
        self.refusing = false;
        self.sound_pages += 1;
        Ok(())
    }

    /// Appends a page and leaves room for the last ones.
    fn append(&mut self, page: &[u8]) -> io::Result<()> {
        if self.bytes + LAST_PAGES * page.len() as u64 > self.reserved {
            self.reserve()?;
        }
        self.write(page)
    }

    fn write(&mut self, page: &[u8]) -> io::Result<()> {
        if let Err(error) = (&*self.file).write_all(page) {
            // Half a page would stand in the way of the next one.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += page.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    fn reserve(&mut self) -> io::Result<()> {
        let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&*self.file, flags, self.bytes, RESERVE) {
            // A file system that cannot reserve finds out when it writes.
            Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {
                self.reserved = self.bytes + RESERVE;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What has been written of a recording so far.
#[derive(Debug)]
pub struct Written {
    file: Arc<File>,
    sound_pages: u64,
    /// Its length, if nothing more will be written.
    bytes: Option<u64>,
}

impl Written {
    /// Pages of sound.
    pub fn sound_pages(&self) -> u64 {
        self.sound_pages
    }

    /// Gives back what was reserved ahead, if nothing more will be written.
    ///
    /// # Errors
    /// The system's.
    pub fn trim(&self) -> io::Result<()> {
        self.bytes.map_or(Ok(()), |bytes| self.file.set_len(bytes))
    }

    /// Returns once all of it would survive a power cut.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
