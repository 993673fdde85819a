//! The order of the peer's requests within a dialog (RFC 3261 §12.2.2).

use super::Dialog;

/// A request whose number is not above the last one's: answered 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request is older than one that was already handled")]
pub struct OutOfOrder;

impl Dialog {
    /// Takes a new request's number. Not for ACK and CANCEL, which carry their INVITE's.
    ///
    /// # Errors
    /// [`OutOfOrder`] if it is not above the last one. A retransmission never comes here: its transaction keeps it.
    pub fn accept(&mut self, seq: u32) -> Result<(), OutOfOrder> {
        match self.remote_seq {
            Some(last) if seq <= last => Err(OutOfOrder),
            _ => {
                self.remote_seq = Some(seq);
                Ok(())
            }
        }
    }
}
