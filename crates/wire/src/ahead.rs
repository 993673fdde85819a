//! Memory that is wanted soon. Between two packets of a leg a worker sees to hundreds of others, so that what belongs to
//! this one is far away again; asked for a packet or two ahead, it is on its way while something else is worked on.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the processor's hint is behind a raw pointer")
)]

use std::ops::Range;

/// What the processor fetches at once.
const LINE: usize = 64;

/// Has these bytes of this fetched, as far as it has so many and the processor such a hint; nothing is read or changed, and
/// nobody waits. It can only fetch some sixteen lines at a time: what is not needed delays what is.
pub fn soon<T: ?Sized>(thing: &T, bytes: Range<usize>) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let start = (&raw const *thing).cast::<i8>();
        let (mut offset, end) = (bytes.start, size_of_val(thing).min(bytes.end));
        while offset < end {
            // SAFETY: the offset is below the size of what `thing` refers to, so the pointer stays inside it. A prefetch
            // reads nothing as far as the program can tell, and never faults.
            let at = unsafe { start.add(offset) };
            // SAFETY: as above.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(at) };
            offset += LINE - at.addr() % LINE;
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (thing, bytes, LINE);
}
