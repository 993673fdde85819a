//! Writes what is ours into messages: Via, Contact, tags, branches, what we allow and accept.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use rsip::{Header, Headers, Method, Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use vorzimmer_types::{Entropy, entropy};

use super::{ConnectionId, Flow, Reason, Transport};
use crate::fault::Fault;
use crate::header;
use crate::uri::{Host, Scheme, Uri};
use crate::wire::{self, Skeleton};

/// What we answer to (RFC 3261 §20.5).
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, REFER, REGISTER";
/// What a peer may insist on besides: we tell every recording-aware peer what we record (RFC 7866 §6.1.2). It is not
/// among what we say that we know: whoever sends that would have us show what *it* records, and there is nobody to look.
pub(super) const TOLERATED: [&str; 1] = ["record-aware"];
/// The extensions that a peer may insist on (RFC 3261 §20.32, §20.37).
pub(super) const EXTENSIONS: [&str; 4] = ["100rel", "timer", "replaces", "norefersub"];
/// The same to a trunk that we call: it puts nobody through and registers nobody here.
pub(super) const ALLOW_OUTSIDE: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE";
/// What a trunk that we call may use.
pub(super) const EXTENSIONS_OUTSIDE: &str = "100rel, timer";
/// What an INVITE may carry.
pub(super) const ACCEPT_SDP: &str = "application/sdp";
/// The port of a Via without one (§18.2.2).
pub(super) const DEFAULT_PORT: u16 = 5060;
/// The same for TLS.
pub(super) const TLS_PORT: u16 = 5061;
/// What an INFO may carry.
pub(super) const ACCEPT_INFO: &str = "application/dtmf-relay, application/dtmf";

/// What this process calls itself in the messages that it makes.
pub(super) struct Letterhead {
    user_agent: String,
    /// Starts each branch of ours after the magic cookie, so that a request that comes back is recognised (§16.3).
    mark: String,
    secret: [u8; 32],
}

impl Letterhead {
    pub fn new(user_agent: &str, secret: [u8; 32]) -> Self {
        let mark = keyed(&secret, &[b"branch"]);
        Self { user_agent: user_agent.to_owned(), mark, secret }
    }

    /// A branch that nobody has used (§8.1.1.7).
    pub fn branch(&self, entropy: &mut dyn Entropy) -> String {
        format!("z9hG4bK{}{}", self.mark, hex::encode(entropy::array::<8>(entropy)))
    }

    /// Whether a Via of ours is already in the request: it has been here before (§16.3 step 4).
    pub fn has_been_here(&self, headers: &Headers) -> bool {
        let ours =
            |branch: &str| branch.get("z9hG4bK".len()..).is_some_and(|rest| rest.starts_with(&self.mark));
        header::vias(headers).flatten().filter_map(|via| via.unique_branch()).any(ours)
    }

    /// A tag of 64 random bits (§19.3).
    pub fn tag(entropy: &mut dyn Entropy) -> String {
        hex::encode(entropy::array::<8>(entropy))
    }

    /// A tag that is the same for each copy of a request, for answers that are not remembered (§8.2.7).
    pub fn stateless_tag(&self, skeleton: &Headers) -> String {
        let texts = ["Via", "Call-ID", "From", "CSeq"];
        let parts: Vec<_> = texts.iter().filter_map(|name| header::first(skeleton, name)).collect();
        let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
        // §19.3 wants 32 bits at least; more would only make challenges longer.
        let mut tag = keyed(&self.secret, &parts);
        tag.truncate(8);
        tag
    }

    /// The same as [`Self::address`], and says what made it.
    pub fn sign(&self, request: &mut Request, flow: &Flow, branch: &str) {
        self.address(request, flow, branch);
        request.headers.push(Header::UserAgent(self.user_agent.as_str().into()));
    }

    /// Puts our Via on top of a request that goes over `flow` (§18.1.1, RFC 3581 §3).
    pub fn address(&self, request: &mut Request, flow: &Flow, branch: &str) {
        let mut via = format!("SIP/2.0/{} {};branch={branch};rport", flow.transport.in_via(), flow.local);
        // RFC 5923 §7: over a connection that we opened we take the peer's requests too.
        if flow.transport == Transport::Tls && flow.connection.is_some_and(ConnectionId::is_ours) {
            via.push_str(";alias");
        }
        // One more is for who made it.
        let mut headers = Vec::with_capacity(request.headers.iter().count() + 2);
        headers.push(Header::Via(via.into()));
        headers.extend(std::mem::take(&mut request.headers));
        request.headers = headers.into();
    }

    /// The answer to a request: stamped, tagged, signed. A 100 has no tag of ours (§8.2.6.2).
    pub fn answer(&self, envelope: &Envelope, status: u16) -> Response {
        let mut response = envelope.answer(status);
        if status != 100 {
            response.headers.push(Header::Server(self.user_agent.as_str().into()));
        }
        response
    }
}

/// What every answer to one request has in common.
#[derive(Clone)]
pub(super) struct Envelope {
    skeleton: Arc<Skeleton>,
    tag: String,
    source: SocketAddr,
    sips: bool,
}

impl Envelope {
    /// For answers with this To tag, to a request that came from `source`.
    pub fn new(mut skeleton: Skeleton, tag: String, source: SocketAddr) -> Self {
        skeleton.stamp(source);
        Self { skeleton: Arc::new(skeleton), tag, source, sips: false }
    }

    /// The same for a request that was sent to `uri`.
    pub fn for_request_to(self, uri: &rsip::Uri) -> Self {
        Self { sips: is_sips(uri), ..self }
    }

    /// Whether the request was sent to a `sips:` URI: then our Contact must be one (§12.1.1).
    pub fn sips(&self) -> bool {
        self.sips
    }

    /// The tag that answers carry unless the request had one.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Where the peer accepts connections: the source address, the port of sent-by (§18.2.2).
    pub fn call_back(&self) -> SocketAddr {
        let via = header::top_via(self.skeleton.headers()).ok();
        let usual =
            via.filter(|via| via.transport.eq_ignore_ascii_case("TLS")).map_or(DEFAULT_PORT, |_| TLS_PORT);
        SocketAddr::new(self.source.ip(), via.and_then(|via| via.port).unwrap_or(usual))
    }

    /// The answer, without our signature.
    pub fn answer(&self, status: u16) -> Response {
        let mut response = self.skeleton.response(StatusCode::from(status), &self.tag);
        if status == 100
            && let Some(to) = header::first(self.skeleton.headers(), "To")
        {
            header::set(&mut response.headers, Header::To(to.into()));
        }
        response
    }
}

/// Whether a request to this URI is one that must stay secret on its whole way (§26.2.2).
pub(super) fn is_sips(uri: &rsip::Uri) -> bool {
    Uri::from(uri).scheme == Scheme::Sips
}

/// Where requests of this dialog reach us: the listening address of the flow (§8.1.1.8); as `sips:` for a peer who
/// began with that.
pub(super) fn contact(flow: &Flow, sips: bool) -> Header {
    let mut uri = Uri::sip(None, Host::Ip(flow.local.ip()), Some(flow.local.port()));
    if sips {
        uri.scheme = Scheme::Sips;
    }
    if let Some(transport) = flow.transport.in_uri() {
        uri = uri.with_param("transport", Some(transport));
    }
    Header::Contact(format!("<{uri}>").into())
}

/// Adds what we allow and which extensions we know.
pub(super) fn allow(headers: &mut Headers) {
    headers.push(Header::Allow(ALLOW.into()));
    headers.push(Header::Supported(EXTENSIONS.join(", ").into()));
}

/// Adds Reason (RFC 3326).
pub(super) fn reason(headers: &mut Headers, reason: Option<&Reason>) {
    let Some(Reason { protocol, cause, text, .. }) = reason else { return };
    let mut value = format!("{protocol} ;cause={cause}");
    if !text.is_empty() {
        value.push_str(&format!(" ;text=\"{}\"", quotable(text)));
    }
    headers.push(Header::Other("Reason".into(), value));
}

/// Adds Warning (RFC 3261 §20.43) to a refusal; we go by a pseudonym there, as it allows.
pub(super) fn warning(headers: &mut Headers, reason: Option<&Reason>) {
    let Some(Reason { text, warning: Some(code), .. }) = reason else { return };
    headers.push(warning_of(*code, text));
}

/// A Warning of its own: 399 for what has no number, in words for a technician.
pub(super) fn warning_of(code: u16, text: &str) -> Header {
    Header::Warning(format!("{code} vorzimmer \"{}\"", quotable(text)).into())
}

/// What may stand between quotation marks.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect()
}

/// Sets the body and its type.
pub(super) fn sdp(headers: &mut Headers, body: &mut Vec<u8>, sdp: &[u8]) {
    header::set(headers, Header::ContentType(ACCEPT_SDP.into()));
    body.clear();
    body.extend_from_slice(sdp);
}

/// The bytes of a request.
pub(super) fn request_bytes(request: &Request) -> Result<Bytes, Fault> {
    bytes_of(request)
}

/// The bytes of a response.
pub(super) fn response_bytes(response: &Response) -> Result<Bytes, Fault> {
    bytes_of(response)
}

thread_local! {
    /// Where messages are printed before it is known how long they are.
    static SHEET: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// As many as they are: they may be kept for half a minute, to be said again.
fn bytes_of(message: &impl wire::Printable) -> Result<Bytes, Fault> {
    SHEET.with_borrow_mut(|sheet| {
        sheet.clear();
        wire::print(message, sheet)?;
        Ok(Bytes::copy_from_slice(sheet))
    })
}

/// The same message in fewer bytes: compact names (§7.3.3), no space after the colon.
pub(super) fn compact(message: &Bytes) -> Bytes {
    const SHORT: [(&str, &str); 5] =
        [("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i"), ("Content-Length", "l")];
    let Ok(text) = std::str::from_utf8(message) else { return message.clone() };
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return message.clone() };
    let mut out = String::with_capacity(text.len());
    for (n, line) in head.split("\r\n").enumerate() {
        match line.split_once(": ") {
            Some((name, value)) if n > 0 => {
                let short = SHORT.iter().find(|(long, _)| *long == name).map_or(name, |(_, short)| short);
                out.extend([short, ":", value]);
            }
            _ => out.push_str(line),
        }
        out.push_str("\r\n");
    }
    out.extend(["\r\n", body]);
    out.into()
}

/// The ACK of a refusal, or the CANCEL, of an INVITE of ours: same Via, route, From, To, Call-ID and number (§9.1,
/// §17.1.1.3).
pub(super) fn same_hop(invite: &Request, method: Method, to: Option<&str>) -> Request {
    let mut headers = Headers::default();
    for line in invite.headers.iter() {
        match line {
            Header::Via(_)
            | Header::Route(_)
            | Header::From(_)
            | Header::CallId(_)
            | Header::MaxForwards(_) => {
                headers.push(line.clone());
            }
            Header::To(_) => headers.push(to.map_or_else(|| line.clone(), |to| Header::To(to.into()))),
            Header::CSeq(_) => {
                let seq = header::cseq(&invite.headers).map_or(0, |cseq| cseq.seq);
                headers.push(Header::CSeq(format!("{seq} {}", wire::method_name(method)).into()));
            }
            _ => {}
        }
    }
    Request { method, uri: invite.uri.clone(), version: rsip::Version::V2, headers, body: Vec::new() }
}

/// Eight bytes that only we can compute, in hexadecimal.
fn keyed(secret: &[u8; 32], parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    hash.update(secret);
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize().get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Bytes, compact};

    #[test]
    fn a_compact_message_says_the_same() {
        let long = "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP a: b\r\nTo: <sip:x>;tag=1\r\nContent-Length: 2\r\n\r\n: ";
        let short = "SIP/2.0 401 Unauthorized\r\nv:SIP/2.0/UDP a: b\r\nt:<sip:x>;tag=1\r\nl:2\r\n\r\n: ";
        assert_eq!(compact(&Bytes::from_static(long.as_bytes())), short);
    }
}
