//! From bytes to a checked message, or to what is wrong with it.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;
use rsip::{Header, Headers, Request, Response, Version};

use super::lex::{self, Line};
use super::names::{self, Known, Shape};
use super::skeleton::Skeleton;
use super::start::{self, Start};
use super::{MAX_DATAGRAM, MAX_HEADERS, MAX_VIAS, Untrusted, elements};
use crate::chars::{token, trim};
use crate::fault::Fault;
use crate::header::{CSeq, Via};
use crate::uri::Address;

/// Where the end of a message comes from (RFC 3261 §18.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// From the datagram; a smaller Content-Length cuts the body.
    Datagram,
    /// From Content-Length alone, which therefore must be there.
    Stream,
}

/// A message that has been read and checked.
#[derive(Clone, PartialEq)]
pub enum Parsed {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
    /// A request with a method that `rsip` does not know: to be answered 405 with Allow (RFC 3261 §8.2.1).
    UnknownMethod(UnknownMethod),
}

impl fmt::Debug for Parsed {
    /// Without headers and body: they name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(request) => write!(f, "Request({})", start::method_name(request.method)),
            Self::Response(response) => write!(f, "Response({})", response.status_code.code()),
            Self::UnknownMethod(_) => f.write_str("UnknownMethod"),
        }
    }
}

/// A sound request whose method is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMethod {
    /// The method as written.
    pub method: String,
    /// What the answer is made of.
    pub reply: Skeleton,
}

/// What is wrong with a message, and what an answer can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ParseError {
    /// The first thing that is wrong.
    pub fault: Fault,
    /// For an answer; none if this is a response, an ACK, or too little could be read.
    pub reply: Option<Box<Skeleton>>,
}

impl ParseError {
    /// The answer that refuses the request, if it can be answered.
    #[must_use]
    pub fn response(&self, to_tag: &str) -> Option<Response> {
        self.reply.as_ref().map(|reply| reply.response(self.fault.status(), to_tag))
    }
}

/// Reads one message.
///
/// # Errors
/// The first fault found, with a [`Skeleton`] if the rest was enough for an answer.
pub fn parse(bytes: Untrusted<'_>, framing: Framing) -> Result<Parsed, ParseError> {
    if bytes.0.len() > MAX_DATAGRAM && framing == Framing::Datagram {
        let fault = Fault::TooLong { part: "the datagram", limit: MAX_DATAGRAM };
        return Err(ParseError { fault, reply: None });
    }
    let cut = lex::cut(bytes.0);
    let (line, lines) = lex::lines(&cut.head);
    let start = match line.and_then(start::start) {
        Ok(start) => start,
        Err(fault) => return Err(ParseError { fault, reply: None }),
    };
    let mut draft = Draft::new(&start, cut.fault, lex::suspicious(&cut.head));
    lines.for_each(|line| draft.line(line));
    draft.finish(start, cut.body, framing)
}

/// A message being read. After a fault reading goes on, so that an answer can be made.
struct Draft<'a> {
    /// The method of a request.
    method: Option<&'a str>,
    headers: Vec<Header>,
    fault: Option<Fault>,
    /// Whether there are control characters to be looked for in the values.
    suspicious: bool,
    /// One bit for each known header that occurred.
    seen: u128,
    vias: usize,
    content_length: Option<usize>,
}

impl<'a> Draft<'a> {
    fn new(start: &Start<'a>, fault: Option<Fault>, suspicious: bool) -> Self {
        let (method, wrong) = match start {
            Start::Request { method, uri } => (Some(*method), uri.as_ref().err()),
            Start::Response { status } => (None, status.as_ref().err()),
        };
        let fault = fault.or(wrong.copied());
        let headers = Vec::with_capacity(24);
        Self { method, headers, fault, suspicious, seen: 0, vias: 0, content_length: None }
    }

    /// Remembers the first fault.
    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn line(&mut self, line: Result<Line<'_>, Fault>) {
        if let Err(fault) = line.and_then(|line| self.header(line)) {
            self.fail(fault);
        }
    }

    fn header(&mut self, Line { name, value }: Line<'_>) -> Result<(), Fault> {
        let known = names::known(name);
        let header = known.map_or("a header", |(_, known)| known.name);
        let value = match self.suspicious {
            true => lex::printable(value).ok_or(Fault::Control { header })?,
            false => value,
        };
        match known {
            Some((place, known)) => self.known(place, known, value),
            None if !token(name) => Err(Fault::HeaderName),
            None => self.keep(Header::Other(name.to_owned(), value.into_owned())),
        }
    }

    fn keep(&mut self, header: Header) -> Result<(), Fault> {
        if self.headers.len() >= MAX_HEADERS {
            return Err(Fault::TooMany { part: "the headers", limit: MAX_HEADERS });
        }
        self.headers.push(header);
        Ok(())
    }

    fn known(&mut self, place: usize, known: &'static Known, value: Cow<'_, str>) -> Result<(), Fault> {
        let bit = 1_u128 << place;
        let repeated = self.seen & bit != 0;
        self.seen |= bit;
        if repeated && known.shape.is_single() {
            return Err(Fault::Duplicate { header: known.name });
        }
        if known.shape.is_list() {
            return self.list(known, &value);
        }
        let checked = self.check_single(known, &value);
        self.keep(known.with(value.into_owned()))?;
        checked
    }

    fn check_single(&mut self, known: &'static Known, value: &str) -> Result<(), Fault> {
        let header = known.name;
        match known.shape {
            Shape::Party => Address::parse_printable(value).map(drop).map_err(|_| Fault::Value { header }),
            Shape::CallId if value.is_empty() || value.contains([' ', '\t']) => Err(Fault::Value { header }),
            // RFC 3261 §20.22.
            Shape::MaxForwards => number(header, value, 255).map(drop),
            Shape::CSeq => {
                let cseq = CSeq::parse(value)?;
                // RFC 3261 §8.1.1.5: the method of CSeq is the request's.
                let agrees = self.method.is_none_or(|method| method == cseq.method);
                if agrees { Ok(()) } else { Err(Fault::CSeqMethod) }
            }
            Shape::ContentLength => {
                let length = number(header, value, u64::from(u32::MAX))?;
                self.content_length = usize::try_from(length).ok();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Every element of a list becomes a header of its own. Only what routes the message must be sound; the rest is for
    /// whoever asks for it.
    fn list(&mut self, known: &'static Known, value: &str) -> Result<(), Fault> {
        let header = known.name;
        if memchr(b',', value.as_bytes()).is_none() {
            return self.element(known, trim(value));
        }
        if known.shape == Shape::List && elements(value).any(|element| element.is_err()) {
            return self.keep(known.with(value.to_owned()));
        }
        let mut checked = Ok(());
        for element in elements(value) {
            let element = element.map_err(|_| Fault::Value { header })?;
            checked = checked.and(self.element(known, element));
        }
        checked
    }

    fn element(&mut self, known: &'static Known, element: &str) -> Result<(), Fault> {
        if element.is_empty() && known.shape == Shape::List {
            return Ok(());
        }
        let checked = self.check_element(known, element);
        self.keep(known.with(element.to_owned()))?;
        checked
    }

    fn check_element(&mut self, known: &'static Known, element: &str) -> Result<(), Fault> {
        let sound = match known.shape {
            Shape::Vias => {
                self.vias += 1;
                if self.vias > MAX_VIAS {
                    return Err(Fault::TooMany { part: "the Vias", limit: MAX_VIAS });
                }
                Via::parse(element).is_ok()
            }
            Shape::Contacts => element == "*" || Address::parse_printable(element).is_ok(),
            Shape::Routes => Address::parse_printable(element).is_ok(),
            _ => true,
        };
        if sound { Ok(()) } else { Err(Fault::Value { header: known.name }) }
    }

    fn finish(mut self, start: Start<'a>, body: &[u8], framing: Framing) -> Result<Parsed, ParseError> {
        let checked = self.check_mandatory().and_then(|()| self.cut_body(body, framing));
        let body = checked.unwrap_or_else(|fault| {
            self.fail(fault);
            &[]
        });
        let (headers, body, version) = (self.headers, body.to_vec(), Version::V2);
        let refused = |fault| {
            let reply = self.method.and_then(|method| Skeleton::keep(method, headers.iter()));
            Err(ParseError { fault, reply: reply.map(Box::new) })
        };
        match (self.fault, start) {
            (Some(fault), _) => refused(fault),
            (None, Start::Request { uri: Err(fault), .. } | Start::Response { status: Err(fault) }) => {
                refused(fault)
            }
            (None, Start::Request { method: name, uri: Ok(uri) }) => match start::method(name) {
                Some(method) => {
                    let headers = Headers::from(headers);
                    Ok(Parsed::Request(Request { method, uri, version, headers, body }))
                }
                None => Skeleton::keep(name, headers.iter())
                    .map(|reply| Parsed::UnknownMethod(UnknownMethod { method: name.to_owned(), reply }))
                    .ok_or(ParseError { fault: Fault::StartLine, reply: None }),
            },
            (None, Start::Response { status: Ok(status_code) }) => {
                Ok(Parsed::Response(Response { status_code, version, headers: headers.into(), body }))
            }
        }
    }

    fn check_mandatory(&self) -> Result<(), Fault> {
        match names::MANDATORY.iter().find(|(_, bit)| self.seen & bit == 0) {
            Some(&(header, _)) => Err(Fault::Missing { header }),
            None => Ok(()),
        }
    }

    /// RFC 3261 §18.3.
    fn cut_body<'b>(&self, body: &'b [u8], framing: Framing) -> Result<&'b [u8], Fault> {
        match (self.content_length, framing) {
            (Some(announced), _) => {
                body.get(..announced).ok_or(Fault::BodyShort { announced, present: body.len() })
            }
            (None, Framing::Datagram) => Ok(body),
            (None, Framing::Stream) => Err(Fault::Missing { header: "Content-Length" }),
        }
    }
}

/// `1*DIGIT`, at most `most`. Leading zeros are allowed (RFC 4475 §3.1.1.1).
pub(crate) fn number(header: &'static str, text: &str, most: u64) -> Result<u64, Fault> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Value { header });
    }
    text.parse().ok().filter(|&n| n <= most).ok_or(Fault::Range { header })
}
