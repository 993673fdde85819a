//! Finding headers and reading the common ones.

use rsip::{Header, Headers};

use super::{CSeq, Via};
use crate::fault::Fault;
use crate::uri::Address;
use crate::wire::{elements, name, number, value};

/// The values of all headers with this (long) name, as they stand.
pub fn values<'a>(headers: &'a Headers, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |h| name(h).eq_ignore_ascii_case(wanted)).map(value)
}

/// The value of the first header with this (long) name.
#[must_use]
pub fn first<'a>(headers: &'a Headers, wanted: &'a str) -> Option<&'a str> {
    values(headers, wanted).next()
}

/// The elements of a header that holds a list, over all its lines; empty elements are passed over.
pub fn listed<'a>(headers: &'a Headers, wanted: &'a str) -> impl Iterator<Item = Result<&'a str, Fault>> {
    values(headers, wanted)
        .flat_map(elements)
        .filter(|element| element.as_ref().is_ok_and(|e| !e.is_empty()) || element.is_err())
}

/// All Vias, topmost first.
pub fn vias(headers: &Headers) -> impl Iterator<Item = Result<Via<'_>, Fault>> {
    listed(headers, "Via").map(|element| element.and_then(Via::parse))
}

/// The topmost Via.
///
/// # Errors
/// [`Fault::Missing`] without one, [`Fault::Value`] if it cannot be read.
pub fn top_via(headers: &Headers) -> Result<Via<'_>, Fault> {
    vias(headers).next().unwrap_or(Err(Fault::Missing { header: "Via" }))
}

/// CSeq.
///
/// # Errors
/// [`Fault::Missing`] without one, else as [`CSeq::parse`].
pub fn cseq(headers: &Headers) -> Result<CSeq<'_>, Fault> {
    CSeq::parse(first(headers, "CSeq").ok_or(Fault::Missing { header: "CSeq" })?)
}

/// Call-ID.
///
/// # Errors
/// [`Fault::Missing`] without one.
pub fn call_id(headers: &Headers) -> Result<&str, Fault> {
    first(headers, "Call-ID").ok_or(Fault::Missing { header: "Call-ID" })
}

/// From.
///
/// # Errors
/// [`Fault::Missing`] without one, [`Fault::Value`] if it cannot be read.
pub fn from(headers: &Headers) -> Result<Address<'_>, Fault> {
    address(headers, "From")
}

/// To.
///
/// # Errors
/// [`Fault::Missing`] without one, [`Fault::Value`] if it cannot be read.
pub fn to(headers: &Headers) -> Result<Address<'_>, Fault> {
    address(headers, "To")
}

/// The first address of any header that holds addresses.
///
/// # Errors
/// [`Fault::Missing`] without one, [`Fault::Value`] if it cannot be read.
pub fn address<'a>(headers: &'a Headers, header: &'static str) -> Result<Address<'a>, Fault> {
    addresses(headers, header).next().unwrap_or(Err(Fault::Missing { header }))
}

/// All addresses of a header that holds addresses.
pub fn addresses<'a>(
    headers: &'a Headers,
    header: &'static str,
) -> impl Iterator<Item = Result<Address<'a>, Fault>> {
    let single = matches!(header, "From" | "To");
    values(headers, header)
        .flat_map(move |value| {
            let whole = single.then_some(Ok(value));
            whole.into_iter().chain((!single).then(|| elements(value)).into_iter().flatten())
        })
        .map(move |element| element.and_then(Address::parse).map_err(|_| Fault::Value { header }))
}

/// Record-Route, topmost first.
pub fn record_routes(headers: &Headers) -> impl Iterator<Item = Result<Address<'_>, Fault>> {
    addresses(headers, "Record-Route")
}

/// Route, topmost first.
pub fn routes(headers: &Headers) -> impl Iterator<Item = Result<Address<'_>, Fault>> {
    addresses(headers, "Route")
}

/// Max-Forwards, if there is one (RFC 3261 §20.22).
///
/// # Errors
/// [`Fault::Value`] or [`Fault::Range`] if it is not 0 to 255.
pub fn max_forwards(headers: &Headers) -> Result<Option<u8>, Fault> {
    let header = "Max-Forwards";
    first(headers, header)
        .map(|text| {
            number(header, text, 255).and_then(|n| u8::try_from(n).map_err(|_| Fault::Range { header }))
        })
        .transpose()
}

/// The tokens of Allow, Supported, Require, Proxy-Require, Unsupported, Allow-Events and their like.
pub fn tokens<'a>(headers: &'a Headers, header: &'a str) -> impl Iterator<Item = &'a str> {
    listed(headers, header).flatten()
}

/// Whether a token is among those of a header; option tags and methods are told apart by case only where it matters
/// to nobody, so case is ignored.
#[must_use]
pub fn has_token(headers: &Headers, header: &str, wanted: &str) -> bool {
    tokens(headers, header).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// Puts `header` in the place of all headers of its name, or at the end.
pub fn set(headers: &mut Headers, header: Header) {
    let wanted = name(&header).to_owned();
    headers.retain(|old| !name(old).eq_ignore_ascii_case(&wanted));
    headers.push(header);
}
