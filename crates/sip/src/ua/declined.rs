//! What an answer that is no yes says of trying again.

use std::time::Duration;

use rsip::Response;
use vorzimmer_types::cause::Cause;

use crate::{cause, header};

/// An answer of 300 or above, or none at all, to a request of ours.
pub(super) struct Declined {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// Min-SE in seconds (RFC 4028 §5).
    pub min_se: Option<u32>,
    /// Min-Expires in seconds (RFC 3261 §20.23).
    pub min_expires: Option<u32>,
    /// Reason (RFC 6432).
    pub cause: Option<Cause>,
}

impl Declined {
    /// As if by this status.
    pub fn by(status: u16) -> Self {
        Self { status, retry_after: None, min_se: None, min_expires: None, cause: None }
    }

    /// What it says.
    pub fn read(response: &Response) -> Self {
        let headers = &response.headers;
        let retry_after = header::retry_after(headers).map(|seconds| Duration::from_secs(u64::from(seconds)));
        let min_se = header::min_session_expires(headers);
        let min_expires = header::first(headers, "Min-Expires").and_then(|text| text.trim().parse().ok());
        let cause = cause::read(headers);
        Self { status: response.status_code.code(), retry_after, min_se, min_expires, cause }
    }
}
