//! What the process does to itself before it touches anything personal.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

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
