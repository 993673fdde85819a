//! The little of a request that an answer needs, kept when the rest is not fit to be handled.

use std::net::SocketAddr;

use rsip::headers::UntypedHeader as _;
use rsip::{Header, Headers, Method, Response, StatusCode, Version};

use super::names::value;
use crate::header;
use crate::uri::Address;

/// Via, From, To, Call-ID and CSeq of a request, copied for an answer (RFC 3261 §8.2.6.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Skeleton {
    headers: Headers,
}

impl std::fmt::Debug for Skeleton {
    /// Without the headers: they name people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Skeleton(‹redacted›)")
    }
}

/// Headers of an answer for which there is room without growing.
const USUAL: usize = 16;

impl Skeleton {
    /// Keeps what an answer needs of `headers`, if all of it is there and the top Via says where the answer goes.
    ///
    /// An ACK is never answered (RFC 3261 §17), so it leaves no skeleton.
    pub(super) fn keep<'a>(method: &str, headers: impl Iterator<Item = &'a Header> + Clone) -> Option<Self> {
        if method == super::method_name(Method::Ack) {
            return None;
        }
        let first = |wanted: fn(&Header) -> bool| {
            headers.clone().find(|h| wanted(h) && !value(h).is_empty()).cloned()
        };
        let mut kept: Vec<_> = headers.clone().filter(|h| matches!(h, Header::Via(_))).cloned().collect();
        header::Via::parse(value(kept.first()?)).ok()?;
        kept.push(first(|h| matches!(h, Header::From(_)))?);
        kept.push(first(|h| matches!(h, Header::To(_)))?);
        kept.push(first(|h| matches!(h, Header::CallId(_)))?);
        kept.push(first(|h| matches!(h, Header::CSeq(_)))?);
        Some(Self { headers: kept.into() })
    }

    /// The same for a request that is whole.
    #[must_use]
    pub fn of(request: &rsip::Request) -> Option<Self> {
        // `rsip` gives its headers out by an iterator that cannot start again.
        let headers: Vec<_> = request.headers.iter().collect();
        Self::keep(super::method_name(request.method), headers.iter().copied())
    }

    /// Lets the first Via tell the truth about where the request came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub(crate) fn stamp(&mut self, source: SocketAddr) {
        let first = self.headers.iter_mut().find_map(|line| match line {
            Header::Via(via) => Some(via),
            _ => None,
        });
        if let Some(via) = first
            && let Ok(stamped) = header::stamp(via.value(), source)
        {
            *via = stamped.into();
        }
    }

    /// The headers kept: Vias in order, From, To, Call-ID, CSeq.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The answer with this status. `to_tag` is added to To unless one is there (RFC 3261 §8.2.6.2).
    #[must_use]
    pub fn response(&self, status: StatusCode, to_tag: &str) -> Response {
        let headers = self.headers.iter().map(|kept| match kept {
            Header::To(_) => Header::To(tagged(value(kept), to_tag).into()),
            _ => kept.clone(),
        });
        let mut kept = Vec::with_capacity(USUAL);
        kept.extend(headers);
        let headers = kept;
        Response { status_code: status, version: Version::V2, headers: headers.into(), body: Vec::new() }
    }
}

/// A To with the tag; one that cannot be read is given back as it came.
fn tagged(to: &str, tag: &str) -> String {
    match Address::parse(to) {
        Ok(address) if address.tag().is_none() => format!("{to};tag={tag}"),
        _ => to.to_owned(),
    }
}
