//! Whether the kernel stamps datagrams when they come.
//!
//! It begins to only some time after the first socket has asked for it, and stamps a datagram when it is read if it had
//! not before: a generator that looks once in 20 ms would then take its own round for delay.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

use crate::voice::{nanos, now_ns};

/// How long a datagram lies before it is read.
const LIES: Duration = Duration::from_millis(5);
/// How long the kernel may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// As long as this is kept, the kernel stamps.
pub struct Stamps {
    _asked: UdpSocket,
}

impl Stamps {
    /// Asks for stamps, and waits until they are made.
    ///
    /// # Errors
    /// The system's, or none were made for ten seconds.
    pub fn ask() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        socket.connect(socket.local_addr()?)?;
        socket.set_nonblocking(true)?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            socket.send(b"stamped?")?;
            std::thread::sleep(LIES);
            if lay(&socket)? > LIES / 2 {
                return Ok(Self { _asked: socket });
            }
        }
        Err(io::Error::other(
            "the kernel does not stamp datagrams when they come, so that delays cannot be measured",
        ))
    }
}

/// How long ago the datagram came that waits there, by its stamp.
fn lay(socket: &UdpSocket) -> io::Result<Duration> {
    let mut bytes = [0; 16];
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let came = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let stamp = came.cmsgs()?.find_map(|one| match one {
        ControlMessageOwned::ScmTimestampns(at) => Some(nanos(at.into())),
        _ => None,
    });
    Ok(Duration::from_nanos(stamp.map_or(0, |stamp| now_ns().saturating_sub(stamp))))
}
