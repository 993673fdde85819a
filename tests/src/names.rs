//! A name server for tests: one zone, answered over UDP on loopback.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// One record of the zone.
#[derive(Clone, Debug)]
pub enum Record {
    /// An address.
    A(Ipv4Addr),
    /// Priority, port and host of a service.
    Srv(u16, u16, &'static str),
    /// Order, service and the name of its SRV records.
    Naptr(u16, &'static str, &'static str),
}

/// A name server that answers until it is dropped.
#[derive(Debug)]
pub struct NameServer {
    /// Where.
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const TTL_S: u32 = 60;

impl NameServer {
    /// Answers for these names, and that there is nothing for any other.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start(zone: Vec<(&'static str, Record)>) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a port for names");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let address = socket.local_addr().expect("its address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(answer) = buffer.get(..length).and_then(|query| answer(query, &zone)) {
                    drop(socket.send_to(&answer, from));
                }
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// RFC 1035 §4.1: the question again, and what the zone has for it.
fn answer(query: &[u8], zone: &[(&'static str, Record)]) -> Option<Vec<u8>> {
    let (mut at, mut name) = (12, String::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        name.push_str(std::str::from_utf8(query.get(at..at + length)?).ok()?);
        name.push('.');
        at += length;
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    let question = query.get(12..at + 4)?;
    let found: Vec<Vec<u8>> = zone
        .iter()
        .filter(|(known, record)| *known == name && record.kind() == kind)
        .map(|(_, record)| record.data())
        .collect();
    let exists = zone.iter().any(|(known, _)| *known == name);
    let code = if exists { 0 } else { 3 };
    let mut out = query.get(..2)?.to_vec();
    out.extend([0x85, 0x80 | code, 0, 1]);
    out.extend(u16::try_from(found.len()).ok()?.to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(question);
    for data in found {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1]);
        out.extend(TTL_S.to_be_bytes());
        out.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        out.extend(data);
    }
    Some(out)
}

impl Record {
    fn kind(&self) -> u16 {
        match self {
            Self::A(_) => 1,
            Self::Srv(..) => 33,
            Self::Naptr(..) => 35,
        }
    }

    fn data(&self) -> Vec<u8> {
        match self {
            Self::A(ip) => ip.octets().to_vec(),
            Self::Srv(priority, port, host) => {
                let mut data = priority.to_be_bytes().to_vec();
                data.extend([0, 1]);
                data.extend(port.to_be_bytes());
                data.extend(labels(host));
                data
            }
            Self::Naptr(order, service, replacement) => {
                let mut data = order.to_be_bytes().to_vec();
                data.extend([0, 1]);
                for text in ["s", service, ""] {
                    data.push(u8::try_from(text.len()).unwrap_or(0));
                    data.extend(text.as_bytes());
                }
                data.extend(labels(replacement));
                data
            }
        }
    }
}

fn labels(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap_or(0));
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}
