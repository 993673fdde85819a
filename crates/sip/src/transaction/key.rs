//! What tells one transaction from another (RFC 3261 §17.1.3, §17.2.3, §8.2.2.2).

use std::borrow::Cow;

use rsip::{Headers, Method, Request};

use crate::fault::Fault;
use crate::header;
use crate::uri::{Host, HostRef};
use crate::wire::method_name;

/// Which server transaction a request belongs to (§17.2.3).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ServerKey {
    method: &'static str,
    rule: Rule,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Rule {
    /// The branch is unique by itself; sent-by is compared because a peer may copy another's branch. Its name is in lower
    /// case.
    Branch { branch: String, host: Host, port: u16 },
    /// RFC 2543 peers: Request-URI, From tag, Call-ID, CSeq number and top Via. The To tag is left out, because the
    /// ACK of a refusal carries the one that we added.
    Whole { uri: String, from_tag: String, call_id: String, seq: u32, via: String },
}

impl ServerKey {
    /// The key of a request. An ACK has the key of its INVITE.
    ///
    /// # Errors
    /// A [`Fault`] if one of the headers it is made of is missing or cannot be read.
    pub fn of(request: &Request) -> Result<Self, Fault> {
        let method = if request.method == Method::Ack { Method::Invite } else { request.method };
        Self::with(request, method)
    }

    /// The key of the INVITE that a CANCEL is for (§9.2).
    ///
    /// # Errors
    /// As [`ServerKey::of`].
    pub fn cancelled_by(cancel: &Request) -> Result<Self, Fault> {
        Self::with(cancel, Method::Invite)
    }

    fn with(request: &Request, method: Method) -> Result<Self, Fault> {
        let via = header::top_via(&request.headers)?;
        let rule = match via.unique_branch() {
            Some(branch) => Rule::Branch {
                branch: branch.to_owned(),
                host: match via.host {
                    HostRef::Name(name) => Host::Name(name.to_ascii_lowercase()),
                    HostRef::Ip(ip) => Host::Ip(ip),
                },
                port: via.port.unwrap_or(5060),
            },
            None => Rule::Whole {
                uri: crate::uri::Uri::from(&request.uri).to_string(),
                from_tag: header::from(&request.headers)?.tag().unwrap_or_default().to_owned(),
                call_id: header::call_id(&request.headers)?.to_owned(),
                seq: header::cseq(&request.headers)?.seq,
                via: header::first(&request.headers, "Via").unwrap_or_default().to_owned(),
            },
        };
        Ok(Self { method: method_name(method), rule })
    }
}

/// Which client transaction a response belongs to (§17.1.3): the branch that we made, and the CSeq method.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientKey {
    branch: String,
    method: Cow<'static, str>,
}

impl ClientKey {
    /// The key of a request or a response with these headers.
    ///
    /// # Errors
    /// A [`Fault`] if Via or CSeq is missing or cannot be read.
    pub fn of(headers: &Headers) -> Result<Self, Fault> {
        let branch = header::top_via(headers)?.branch().unwrap_or_default().to_owned();
        let cseq = header::cseq(headers)?;
        let method = match cseq.known_method() {
            Some(known) => method_name(known).into(),
            None => cseq.method.to_owned().into(),
        };
        Ok(Self { branch, method })
    }
}

/// What copies of one request share when they arrive by several ways (§8.2.2.2).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MergeKey {
    from_tag: String,
    call_id: String,
    seq: u32,
    method: &'static str,
}

impl MergeKey {
    /// The key of a request outside a dialog; none if it has a To tag.
    ///
    /// # Errors
    /// A [`Fault`] if one of the headers it is made of is missing or cannot be read.
    pub fn of(request: &Request) -> Result<Option<Self>, Fault> {
        let headers = &request.headers;
        if header::to(headers)?.tag().is_some() {
            return Ok(None);
        }
        Ok(Some(Self {
            from_tag: header::from(headers)?.tag().unwrap_or_default().to_owned(),
            call_id: header::call_id(headers)?.to_owned(),
            seq: header::cseq(headers)?.seq,
            method: method_name(request.method),
        }))
    }
}
