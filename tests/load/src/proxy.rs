//! Kamailio by itself, as a proxy that keeps transactions: what passing a call's messages on costs at the least.

use std::io;
use std::net::SocketAddr;
use std::process::Child;

use tempfile::TempDir;
use vorzimmer_tests::ports;

use crate::peer;

/// It, running; ended when dropped.
pub struct Proxy {
    kamailio: Child,
    _folder: TempDir,
    /// Where it speaks SIP.
    pub sip: SocketAddr,
}

impl Proxy {
    /// Starts it, passing every call on to the telephone on this port; none if it is not installed.
    ///
    /// # Errors
    /// The system's, or it does not begin to answer.
    pub fn start(phone: u16) -> io::Result<Option<Self>> {
        if !peer::installed("kamailio") {
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        let sip = SocketAddr::from(([127, 0, 0, 1], ports::block(2)));
        let kamailio = peer::start(&folder, &config(sip, phone))?;
        let proxy = Self { kamailio, _folder: folder, sip };
        peer::answers(sip)?;
        Ok(Some(proxy))
    }

    /// Its processes.
    pub fn pids(&self) -> Vec<u32> {
        peer::family(&self.kamailio)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        peer::terminate(&mut self.kamailio);
    }
}

fn config(sip: SocketAddr, phone: u16) -> String {
    let head = peer::kamailio_head(sip);
    format!(
        r#"{head}request_route {{
    if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
    if (has_totag()) {{ loose_route(); t_relay(); exit; }}
    if (is_method("CANCEL")) {{ t_relay(); exit; }}
    if (!is_method("INVITE")) {{ sl_send_reply("405", "Not here"); exit; }}
    record_route();
    $du = "sip:127.0.0.1:{phone}";
    t_relay();
}}
"#
    )
}
