//! The buffers that the kernel receives into, and the ring through which it is given them (`io_uring_register_buf_ring`,
//! Linux 5.19): it takes one for each datagram and names it in the completion; it is given back when the datagram was
//! looked at.
#![expect(unsafe_code, reason = "memory that the kernel writes into is behind raw pointers")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// What the kernel calls our buffers.
pub(crate) const GROUP: u16 = 0;
/// How many there are; a power of two. Datagrams that find none wait in their socket.
pub(crate) const COUNT: u16 = 2_048;
/// Bytes of each: the kernel's header and the sender's address (44) and a datagram; an odd number of cache lines, so that
/// the beginnings of buffers, which is all that voices fill, do not displace one another.
pub(crate) const SIZE: usize = 2_112;
/// How many go round at least. Those that go round are filled in turns: the fewer, the nearer they are to the processor.
const FEW: usize = 128;
/// So many times what came at once go round, before any finds none.
const SPARE: usize = 4;
/// After so many looks it is seen whether fewer would do.
const LOOKS: u32 = 1_024;

const PAGE: usize = 4_096;
const MASK: u16 = COUNT - 1;

/// Buffers, and the ring of those that the kernel may fill.
pub(crate) struct Buffers {
    /// `COUNT` entries, page-aligned.
    ring: NonNull<BufRingEntry>,
    /// `COUNT * SIZE` bytes.
    memory: NonNull<u8>,
    /// Entries that were ever put into the ring, modulo 2^16.
    tail: u16,
    /// Those that are neither in the ring nor filled.
    resting: Vec<u16>,
    /// How many are to go round.
    wanted: usize,
    /// The most that were filled at a time since the last change, and in how many looks.
    most: (usize, u32),
}

impl Buffers {
    /// All of them, none yet given to the kernel.
    pub(crate) fn new() -> Self {
        let (ring, memory) = layouts();
        Self {
            ring: allocate(ring).cast(),
            memory: allocate(memory),
            tail: 0,
            resting: (0..COUNT).collect(),
            wanted: FEW,
            most: (0, 0),
        }
    }

    /// Makes them known to a ring, and gives it the first of them.
    pub(crate) fn register(&mut self, submitter: &Submitter<'_>) -> io::Result<()> {
        let at = self.ring.as_ptr() as u64;
        // SAFETY: `ring` is page-aligned, holds COUNT entries, and is freed only when this is dropped; the owner
        // declares its ring before its buffers, so the kernel's side is gone by then.
        unsafe { submitter.register_buf_ring_with_flags(at, COUNT, GROUP, 0)? };
        self.lend();
        Ok(())
    }

    /// Has as many go round as suits what came: `filled` hold something now.
    pub(crate) fn suit(&mut self, filled: usize) {
        let (most, looks) = self.most;
        let most = most.max(filled);
        let enough = (most * SPARE).next_power_of_two().clamp(FEW, usize::from(COUNT));
        self.most = (most, looks + 1);
        if enough > self.wanted || looks >= LOOKS {
            self.wanted = enough;
            self.most = (0, 0);
            self.lend();
        }
    }

    /// How many the kernel may fill, or has filled.
    pub(crate) fn lent(&self) -> usize {
        usize::from(COUNT) - self.resting.len()
    }

    /// Gives the kernel of those that rest as many as are wanted.
    fn lend(&mut self) {
        while self.lent() < self.wanted
            && let Some(id) = self.resting.pop()
        {
            self.put(id);
        }
    }

    /// What a buffer held was looked at: the kernel may fill it again, unless fewer are wanted.
    pub(crate) fn give(&mut self, id: u16) {
        if self.lent() > self.wanted {
            self.resting.push(id & MASK);
        } else {
            self.put(id);
        }
    }

    /// What the kernel wrote into a buffer that it named in a completion: `length` bytes.
    pub(crate) fn filled(&self, id: u16, length: usize) -> &[u8] {
        let offset = usize::from(id & MASK) * SIZE;
        let length = length.min(SIZE);
        // SAFETY: the mask keeps `offset + SIZE` within `memory`. The kernel has named this buffer in a completion and
        // does not write into it again before `give`, which needs `&mut self` and so ends this borrow. The memory was
        // zeroed when it was allocated, so every byte is initialised.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(offset), length) }
    }

    /// The kernel may fill this buffer.
    fn put(&mut self, id: u16) {
        let id = id & MASK;
        let at = usize::from(self.tail & MASK);
        // SAFETY: `at` and `id` are below COUNT, so both pointers stay inside their allocations. Entries beyond the
        // published tail belong to us: the kernel never holds more than COUNT buffers, and this one is not among them.
        // The entry is written before the tail is published (Release), which is what the kernel pairs with. The tail
        // overlays the first entry's reserved half-word, which `BufRingEntry`'s setters leave alone.
        unsafe {
            let entry = &mut *self.ring.as_ptr().add(at);
            entry.set_addr(self.memory.as_ptr().add(usize::from(id) * SIZE) as u64);
            entry.set_len(SIZE as u32);
            entry.set_bid(id);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.ring.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        let (ring, memory) = layouts();
        // SAFETY: both were allocated with these layouts in `new`, and nobody else frees them. The ring that knew them
        // is dropped before (see `register`).
        unsafe {
            dealloc(self.ring.as_ptr().cast(), ring);
            dealloc(self.memory.as_ptr(), memory);
        }
    }
}

/// Of the ring and of the buffers. Both sizes are constants far below the limit.
const fn layouts() -> (Layout, Layout) {
    let ring = COUNT as usize * size_of::<BufRingEntry>();
    let memory = COUNT as usize * SIZE;
    match (Layout::from_size_align(ring, PAGE), Layout::from_size_align(memory, PAGE)) {
        (Ok(ring), Ok(memory)) => (ring, memory),
        _ => (Layout::new::<u8>(), Layout::new::<u8>()),
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    const { assert!(layouts().0.size() > 1 && layouts().1.size() > 1) };
    // SAFETY: neither layout is empty, as was just asserted.
    let memory = unsafe { alloc_zeroed(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}
