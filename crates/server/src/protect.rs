//! What the process does to itself before it touches anything personal.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Files are for their owner only, whoever makes them, and no core dump is ever written: it would hold voices and keys.
///
/// (A systemd unit says `LimitCORE=0` and `UMask=0077` as well. A limit of 0 also keeps the kernel from piping a
/// dump to a crash reporter, except where `core_pattern` is a pipe and the reporter ignores the limit: such a reporter
/// has no business on this machine.)
///
/// # Errors
/// The kernel refuses the limit.
pub fn process() -> std::io::Result<()> {
    umask(Mode::RWXG | Mode::RWXO);
    // The hard limit too, so that nothing in this process can raise it again.
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// Files and sockets of a call at most, its legs' ports that rest afterwards included.
const OF_A_CALL: u64 = 8;
/// Files and sockets that are open without calls: listeners, browsers, databases, logs.
const WITHOUT_CALLS: u64 = 1_000;

/// Allows itself as many open files as the system lets it have; what is usual, 1,024, is for programs that use
/// `select(2)`. Says so if that may be too few for so many calls.
///
/// # Errors
/// The kernel refuses the limit.
pub fn open_files(max_calls: usize) -> std::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let wanted = (max_calls as u64).saturating_mul(OF_A_CALL).saturating_add(WITHOUT_CALLS);
    if let Some(allowed) = maximum.filter(|maximum| *maximum < wanted) {
        tracing::warn!(
            allowed,
            wanted,
            "too few files may be open for limits.max_calls; raise LimitNOFILE= or ulimit -Hn"
        );
    }
    Ok(())
}
