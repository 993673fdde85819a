//! Before whom a thread runs.
#![expect(unsafe_code, reason = "no safe crate of ours can ask the kernel for this")]

use std::io;

/// Where a hastened thread stands among those that may not wait: before everybody of the usual kind, after threads that
/// serve interrupts (50).
const PLACE: libc::c_int = 10;

/// From now on this thread runs before all of the usual kind as soon as it has something to do (`SCHED_RR`, sched(7)).
/// Threads that it makes, and the kernel for it, are of the usual kind again. The kernel keeps 5 % of each processor for
/// the others, whatever happens.
///
/// # Errors
/// The system's: mostly that this takes `CAP_SYS_NICE`, or a limit of real-time priorities (`RLIMIT_RTPRIO`) of 10.
pub fn hasten() -> io::Result<()> {
    // SAFETY: a `sched_param` is integers; all zeros is one.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = PLACE;
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the thread that calls, and the kernel reads `parameter`, which outlives the call.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether [`hasten`] is allowed: found out by a thread that does it and ends.
///
/// # Errors
/// Its error, or that of a thread that cannot be made.
pub fn may_hasten() -> io::Result<()> {
    let attempt = std::thread::Builder::new().name("attempt".to_owned()).spawn(hasten)?;
    attempt.join().unwrap_or_else(|_| Err(io::Error::other("the attempt ended without a word")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{hasten, may_hasten};

    /// `policy` of proc_pid_stat(5), the 41st field, of the thread that asks.
    fn policy() -> String {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(") ").unwrap();
        after_name.split(' ').nth(41 - 3).unwrap().to_owned()
    }

    #[test]
    fn who_is_hastened_is_of_another_kind_and_whom_it_makes_is_not() {
        let before = policy();
        let (allowed, during, child) = std::thread::spawn(|| {
            let allowed = hasten().is_ok();
            (allowed, policy(), std::thread::spawn(policy).join().unwrap())
        })
        .join()
        .unwrap();
        assert_eq!(may_hasten().is_ok(), allowed);
        let round_robin = libc::SCHED_RR.to_string();
        assert_eq!(during, if allowed { round_robin } else { before.clone() });
        assert_eq!(child, if allowed { libc::SCHED_OTHER.to_string() } else { before.clone() });
        assert_eq!(policy(), before, "nobody else is touched");
    }
}
