//! Whether this kernel lets us: found out by doing it once.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use super::Uring;
use crate::{DATAGRAM, Error};

/// How long the probe's datagram may be on its way over loopback, in steps.
const STEP: Duration = Duration::from_millis(50);
const STEPS: u32 = 40;

/// Sends a datagram over loopback through a ring of its own and receives it, by the same requests that calls use.
///
/// # Errors
/// It does not work here; why.
pub fn probe() -> Result<(), Error> {
    let mut ring = Uring::new()?;
    let open = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let (ours, theirs) = (open().map_err(Error::Wait)?, open().map_err(Error::Wait)?);
    let to = theirs.local_addr().map_err(Error::Wait)?;
    let sender = ring.add(&ours, 1)?;
    ring.add(&theirs, 2)?;
    ring.send(sender, to, b"probe").map_err(Error::Wait)?;
    let mut buffer = [0; DATAGRAM];
    for _ in 0..STEPS {
        ring.wait(STEP, 1)?;
        while let Some(came) = ring.next(&mut buffer) {
            if came.name == 2 && buffer.starts_with(b"probe") {
                return Ok(());
            }
        }
    }
    Err(Error::NothingCame)
}
