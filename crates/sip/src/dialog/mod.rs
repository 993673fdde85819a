//! Dialogs (RFC 3261 §12): what two user agents must both remember to keep talking.
//!
//! A [`Dialog`] is made from an INVITE and its answer, numbers and addresses the requests within it, and judges those of
//! the peer. It runs no transaction and decides nothing about the session.

mod order;
mod route;

use rsip::{Header, Headers, Method, Request, Response, Version};

pub use order::OutOfOrder;
pub(crate) use route::applied;

use crate::fault::Fault;
use crate::header;
use crate::uri::{NameAddr, Uri};
use crate::wire::method_name;

/// One dialog, early or confirmed.
#[derive(Clone)]
pub struct Dialog {
    call_id: String,
    /// What stands in From of our requests, tag included.
    local: String,
    /// What stands in To of our requests, tag included.
    remote: String,
    local_tag: String,
    /// Empty for a peer of RFC 2543 (§12.1.1).
    remote_tag: String,
    local_seq: u32,
    remote_seq: Option<u32>,
    target: Uri,
    routes: Vec<NameAddr>,
    /// Whether we sent the INVITE that made it: then the Call-ID is ours (§14.1).
    ours: bool,
}

impl Dialog {
    /// The dialog that our answer with `local_tag` to this INVITE makes (§12.1.1).
    ///
    /// # Errors
    /// [`Fault`] if the request has no Contact (§8.1.1.8) or a header that cannot be read.
    pub fn as_server(request: &Request, local_tag: &str) -> Result<Self, Fault> {
        let headers = &request.headers;
        let (from, to) = (header::from(headers)?, header::to(headers)?);
        let routes = header::record_routes(headers).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            call_id: header::call_id(headers)?.to_owned(),
            local: tagged(header::first(headers, "To").unwrap_or_default(), to.tag(), local_tag),
            remote: header::first(headers, "From").unwrap_or_default().to_owned(),
            local_tag: local_tag.to_owned(),
            remote_tag: from.tag().unwrap_or_default().to_owned(),
            local_seq: 0,
            remote_seq: Some(header::cseq(headers)?.seq),
            target: header::address(headers, "Contact")?.uri.to_uri(),
            routes: routes.iter().map(header_address).collect(),
            ours: false,
        })
    }

    /// The dialog that this answer to our INVITE makes (§12.1.2). An answer without Contact, which §12.1.1 forbids,
    /// leaves the target at the address that was rung.
    ///
    /// # Errors
    /// [`Fault`] if a header cannot be read.
    pub fn as_client(request: &Request, response: &Response) -> Result<Self, Fault> {
        let (asked, answered) = (&request.headers, &response.headers);
        let routes = header::record_routes(answered).collect::<Result<Vec<_>, _>>()?;
        let target = match header::address(answered, "Contact") {
            Ok(contact) => contact.uri.to_uri(),
            Err(Fault::Missing { .. }) => Uri::from(&request.uri),
            Err(fault) => return Err(fault),
        };
        Ok(Self {
            call_id: header::call_id(asked)?.to_owned(),
            local: header::first(asked, "From").unwrap_or_default().to_owned(),
            remote: header::first(answered, "To").unwrap_or_default().to_owned(),
            local_tag: header::from(asked)?.tag().unwrap_or_default().to_owned(),
            remote_tag: header::to(answered)?.tag().unwrap_or_default().to_owned(),
            local_seq: header::cseq(asked)?.seq,
            remote_seq: None,
            target,
            // §12.1.2: in reverse order.
            routes: routes.iter().rev().map(header_address).collect(),
            ours: true,
        })
    }

    /// Whether these headers name this dialog, as seen from here: Call-ID, our tag, the peer's tag (§12.2.2).
    #[must_use]
    pub fn matches(&self, call_id: &str, local_tag: &str, remote_tag: &str) -> bool {
        self.call_id == call_id && self.local_tag == local_tag && self.remote_tag == remote_tag
    }

    /// Goes on where an early dialog with the same peer has come to (§13.2.2.4): numbers are never used twice.
    pub fn succeed(&mut self, early: &Self) {
        self.local_seq = self.local_seq.max(early.local_seq);
        self.remote_seq = self.remote_seq.max(early.remote_seq);
    }

    /// Numbers its requests above this.
    pub fn number_above(&mut self, seq: u32) {
        self.local_seq = self.local_seq.max(seq);
    }

    /// The number of our latest request.
    #[must_use]
    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Our tag.
    #[must_use]
    pub fn local_tag(&self) -> &str {
        &self.local_tag
    }

    /// The peer's tag.
    #[must_use]
    pub fn remote_tag(&self) -> &str {
        &self.remote_tag
    }

    /// Whether the Call-ID was made by us, which decides who waits longer after a glare (§14.1).
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    /// Takes the Contact of a target refresh request or of its 2xx as the new target (§12.2.1.2, §12.2.2).
    pub fn refresh(&mut self, headers: &Headers) {
        if let Ok(contact) = header::address(headers, "Contact") {
            self.target = contact.uri.to_uri();
        }
    }

    /// A new request within the dialog (§12.2.1.1), still without Via and Contact.
    pub fn request(&mut self, method: Method) -> Request {
        let seq = self.next_number();
        self.build(method, seq)
    }

    /// The number of the next request, which is thereby used.
    pub fn next_number(&mut self) -> u32 {
        self.local_seq = self.local_seq.saturating_add(1).min(header::MAX_SEQ);
        self.local_seq
    }

    /// The ACK of a 2xx to our INVITE with this number (§13.2.2.4), still without Via.
    #[must_use]
    pub fn ack(&self, seq: u32) -> Request {
        self.build(Method::Ack, seq)
    }

    fn build(&self, method: Method, seq: u32) -> Request {
        let (uri, routes) = applied(&self.target, &self.routes);
        // Room for what is added besides.
        let mut headers = Headers::from(Vec::with_capacity(routes.len() + 10));
        headers.push(Header::MaxForwards("70".into()));
        for route in routes {
            headers.push(Header::Route(route.to_string().into()));
        }
        headers.push(Header::From(self.local.as_str().into()));
        headers.push(Header::To(self.remote.as_str().into()));
        headers.push(Header::CallId(self.call_id.as_str().into()));
        headers.push(Header::CSeq(format!("{seq} {}", method_name(method)).into()));
        Request { method, uri: uri.into(), version: Version::V2, headers, body: Vec::new() }
    }

    /// Where the next request goes first (§8.1.2): the topmost route, else the target.
    #[must_use]
    pub fn next_hop(&self) -> &Uri {
        self.routes.first().map_or(&self.target, |route| &route.uri)
    }
}

/// The address as it is sent back: with its own parameters, without display name changes.
fn header_address(address: &crate::uri::Address<'_>) -> NameAddr {
    address.to_name_addr()
}

fn tagged(to: &str, has: Option<&str>, tag: &str) -> String {
    if has.is_some() { to.to_owned() } else { format!("{to};tag={tag}") }
}
