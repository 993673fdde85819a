//! From bytes to a checked message, or to what is wrong with it.

use std::borrow::Cow;

use rsip::{Header, Headers, Request, Response, StatusCode, Version};

use super::lex::{self, Line};
use super::names::{self, Known, Shape};
use super::skeleton::Skeleton;
use super::start::{self, Start};
use super::{MAX_DATAGRAM, MAX_HEADERS, MAX_VIAS, Untrusted, elements};
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
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
    /// A request with a method that `rsip` does not know: to be answered 405 with Allow (RFC 3261 §8.2.1).
    UnknownMethod(UnknownMethod),
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
    let mut draft = Draft::new(cut.fault);
    let start = match line.and_then(start::start) {
        Ok(start) => start,
        Err(fault) => return Err(ParseError { fault, reply: None }),
    };
    let kind = draft.start(start);
    lines.for_each(|line| draft.line(line));
    draft.finish(kind, cut.body, framing)
}

/// The first line's facts that matter at the end.
enum Kind<'a> {
    Request(&'a str, Option<rsip::Uri>),
    Response(Option<StatusCode>),
}

/// A message being read. After a fault reading goes on, so that an answer can be made.
struct Draft {
    headers: Vec<Header>,
    fault: Option<Fault>,
    /// One bit for each known header that occurred.
    seen: u128,
    vias: usize,
    content_length: Option<usize>,
}

impl Draft {
    fn new(fault: Option<Fault>) -> Self {
        Self { headers: Vec::with_capacity(24), fault, seen: 0, vias: 0, content_length: None }
    }

    fn start<'a>(&mut self, start: Start<'a>) -> Kind<'a> {
        match start {
            Start::Request { method, uri } => Kind::Request(method, self.kept(uri)),
            Start::Response { status } => Kind::Response(self.kept(status)),
        }
    }

    /// Remembers the first fault.
    fn kept<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.fault.get_or_insert(fault).to_owned()).ok()
    }

    fn line(&mut self, line: Result<Line<'_>, Fault>) {
        let result = line.and_then(|Line { name, value }| {
            let known = names::known(name);
            let header = known.map_or("a header", |(_, known)| known.name);
            let value = lex::printable(value).ok_or(Fault::Control { header })?;
            match known {
                Some((place, known)) => self.known(place, known, value),
                None => self.keep(Header::Other(name.to_owned(), value.into_owned())),
            }
        });
        self.kept(result);
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
        if known.shape == Shape::Single && repeated {
            return Err(Fault::Duplicate { header: known.name });
        }
        if known.shape == Shape::List {
            return self.list(known, &value);
        }
        let checked = self.check_single(known.name, &value);
        self.keep(known.with(value.into_owned()))?;
        checked
    }

    fn check_single(&mut self, header: &'static str, value: &str) -> Result<(), Fault> {
        match header {
            "From" | "To" => Address::parse(value).map(drop).map_err(|_| Fault::Value { header }),
            "CSeq" => CSeq::parse(value).map(drop),
            "Call-ID" if value.is_empty() || value.contains([' ', '\t']) => Err(Fault::Value { header }),
            // RFC 3261 §20.22.
            "Max-Forwards" => number(header, value, 255).map(drop),
            "Content-Length" => {
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
        let routes = matches!(header, "Via" | "Contact" | "Route" | "Record-Route");
        if !routes && elements(value).any(|element| element.is_err()) {
            return self.keep(known.with(value.to_owned()));
        }
        let mut fault = None;
        for element in elements(value) {
            let element = element.map_err(|_| Fault::Value { header })?;
            let checked = match header {
                "Via" => self.via(element),
                "Contact" if element == "*" => Ok(()),
                "Contact" | "Route" | "Record-Route" => Address::parse(element).map(drop),
                _ if element.is_empty() => continue,
                _ => Ok(()),
            };
            if let Err(found) = checked {
                let too_many = matches!(found, Fault::TooMany { .. });
                fault.get_or_insert(if too_many { found } else { Fault::Value { header } });
            }
            self.keep(known.with(element.to_owned()))?;
        }
        fault.map_or(Ok(()), Err)
    }

    fn via(&mut self, element: &str) -> Result<(), Fault> {
        self.vias += 1;
        if self.vias > MAX_VIAS {
            return Err(Fault::TooMany { part: "the Vias", limit: MAX_VIAS });
        }
        Via::parse(element).map(drop)
    }

    fn finish(mut self, kind: Kind<'_>, body: &[u8], framing: Framing) -> Result<Parsed, ParseError> {
        let checked = self.check_whole(&kind).and_then(|()| self.cut_body(body, framing));
        let body = self.kept(checked).unwrap_or_default().to_vec();
        let headers = self.headers;
        match (kind, self.fault) {
            (Kind::Request(method, _), Some(fault)) => {
                let reply = Skeleton::keep(method, headers.iter()).map(Box::new);
                Err(ParseError { fault, reply })
            }
            (Kind::Request(name, Some(uri)), None) => match start::method(name) {
                Some(method) => Ok(Parsed::Request(Request {
                    method,
                    uri,
                    version: Version::V2,
                    headers: Headers::from(headers),
                    body,
                })),
                None => Skeleton::keep(name, headers.iter())
                    .map(|reply| Parsed::UnknownMethod(UnknownMethod { method: name.to_owned(), reply }))
                    .ok_or(ParseError { fault: Fault::StartLine, reply: None }),
            },
            (Kind::Response(Some(status_code)), None) => Ok(Parsed::Response(Response {
                status_code,
                version: Version::V2,
                headers: Headers::from(headers),
                body,
            })),
            (Kind::Request(_, None), None) => Err(ParseError { fault: Fault::RequestUri, reply: None }),
            (Kind::Response(_), fault) => {
                Err(ParseError { fault: fault.unwrap_or(Fault::StatusCode), reply: None })
            }
        }
    }

    /// RFC 3261 §8.1.1: what every message carries. Max-Forwards is not demanded: RFC 2543 did not know it.
    fn check_whole(&self, kind: &Kind<'_>) -> Result<(), Fault> {
        for header in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let present = names::known(header).is_some_and(|(place, _)| self.seen & (1 << place) != 0);
            if !present {
                return Err(Fault::Missing { header });
            }
        }
        let cseq = self.headers.iter().find(|h| matches!(h, Header::CSeq(_))).map(names::value);
        match (kind, cseq.map(CSeq::parse)) {
            // RFC 3261 §8.1.1.5: the method of CSeq is the request's.
            (Kind::Request(method, _), Some(Ok(cseq))) if cseq.method != *method => Err(Fault::CSeqMethod),
            _ => Ok(()),
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
