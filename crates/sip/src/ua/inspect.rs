//! RFC 3261 §8.2: what a request is refused for before anybody above is asked.

use rsip::{Header, Method, Request};

use super::Ua;
use super::compose::{self, ACCEPT_SDP};
use crate::header;
use crate::transaction::MergeKey;
use crate::uri::{Scheme, Uri};

/// A status of 400 or above, and the headers that explain it.
#[derive(Debug)]
pub(super) struct Objection {
    pub status: u16,
    pub extra: Vec<Header>,
}

impl Objection {
    pub fn plain(status: u16) -> Self {
        Self { status, extra: Vec::new() }
    }
}

impl Ua {
    /// The checks for a request outside a dialog, in the order of §8.2.
    pub(super) fn inspect(&mut self, request: &Request) -> Result<(), Objection> {
        check_method(request)?;
        check_uri(request)?;
        if self.is_loop(request) {
            self.counters.loops += 1;
            return Err(Objection::plain(482));
        }
        if header::max_forwards(&request.headers) == Ok(Some(0)) && request.method != Method::Options {
            // We pass calls on under a new Call-ID, so that this is where a loop through us comes to its end. §11: an
            // OPTIONS with 0 is meant for whoever it reaches.
            return Err(Objection::plain(483));
        }
        check_require(request)?;
        check_content(request)?;
        check_accept(request)
    }

    /// §8.2.2.2 and §16.3: the same request by another way, or one that we sent ourselves.
    fn is_loop(&self, request: &Request) -> bool {
        let merged = MergeKey::of(request).ok().flatten().is_some_and(|key| self.servers.is_merged(&key));
        merged || self.letterhead.has_been_here(&request.headers)
    }
}

/// The checks for a request within a dialog.
pub(super) fn inspect_within(request: &Request) -> Result<(), Objection> {
    check_method(request)?;
    check_require(request)?;
    check_content(request)
}

/// §8.2.1.
fn check_method(request: &Request) -> Result<(), Objection> {
    match request.method {
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Info
        | Method::PRack
        | Method::Update
        | Method::Refer
        | Method::Register => Ok(()),
        _ => Err(not_allowed()),
    }
}

/// 405 with Allow.
pub(super) fn not_allowed() -> Objection {
    Objection { status: 405, extra: vec![Header::Allow(compose::ALLOW.into())] }
}

/// §8.2.2.1.
fn check_uri(request: &Request) -> Result<(), Objection> {
    match Uri::from(&request.uri).scheme {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(()),
        Scheme::Other(_) => Err(Objection::plain(416)),
    }
}

/// §8.2.2.3. CANCEL and ACK are never refused for an extension.
pub(super) fn check_require(request: &Request) -> Result<(), Objection> {
    // RFC 5626 and RFC 3327 are the registrar's.
    let registrars = ["outbound", "path"];
    let flows = |tag: &str| {
        request.method == Method::Register && registrars.iter().any(|known| known.eq_ignore_ascii_case(tag))
    };
    let known = |tag: &&str| {
        let mut extensions = compose::EXTENSIONS.iter().chain(&compose::TOLERATED);
        flows(tag) || extensions.any(|extension| extension.eq_ignore_ascii_case(tag))
    };
    let required = header::tokens(&request.headers, "Require");
    let unsupported: Vec<_> = required.filter(|tag| !known(tag)).collect();
    if unsupported.is_empty() {
        return Ok(());
    }
    Err(Objection { status: 420, extra: vec![Header::Unsupported(unsupported.join(", ").into())] })
}

/// §20.1: who calls must be able to read our answer.
fn check_accept(request: &Request) -> Result<(), Objection> {
    let mut accepted = header::listed(&request.headers, "Accept").flatten().peekable();
    let silent = accepted.peek().is_none();
    let reads_sdp = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim();
        ["application/sdp", "application/*", "*/*"].iter().any(|known| known.eq_ignore_ascii_case(range))
    };
    if request.method != Method::Invite || silent || accepted.any(reads_sdp) {
        return Ok(());
    }
    let warning = compose::warning_of(399, "We describe calls by application/sdp alone");
    Err(Objection { status: 406, extra: vec![warning] })
}

/// §8.2.3. What an INFO may carry is judged where INFO is handled.
fn check_content(request: &Request) -> Result<(), Objection> {
    if request.body.is_empty() {
        return Ok(());
    }
    let encoded = header::tokens(&request.headers, "Content-Encoding")
        .any(|coding| !coding.eq_ignore_ascii_case("identity"));
    if encoded {
        let warning = compose::warning_of(399, "Bodies are read as they are, without an encoding");
        return Err(Objection {
            status: 415,
            extra: vec![Header::AcceptEncoding("identity".into()), warning],
        });
    }
    let describes = matches!(request.method, Method::Invite | Method::PRack | Method::Update);
    if describes && !super::body::has_sdp(&request.headers, &request.body) {
        if super::body::is_optional(&request.headers) {
            return Ok(());
        }
        let warning = compose::warning_of(399, "A call is described by application/sdp alone");
        return Err(Objection { status: 415, extra: vec![Header::Accept(ACCEPT_SDP.into()), warning] });
    }
    Ok(())
}
