//! REFER: a receptionist's phone asks us to put its peer through to somebody (RFC 3515, RFC 4488).
//!
//! Who that may be is the layer above's business; here stands who may ask at all: receptionists, within a dialog. A
//! trunk never makes us call a number. What came of it is told by NOTIFY within the same dialog, until a final answer,
//! or until the dialog is over: whoever hangs up after a REFER does not want to know.

use rsip::{Header, Method};
use vorzimmer_types::Pii;

use super::compose;
use super::inspect::Objection;
use super::respond::{Arrival, Opened};
use super::session::{Owner, Refer, Session, Stage};
use super::{Event, Peer, ReferId, Replaced, SessionId, Turn, Ua};
use crate::header::{self, Replaces};
use crate::uri::{Scheme, Uri};
use crate::wire;

/// How long a subscription lasts at most, in seconds: longer than anybody is rung.
const SUBSCRIBED_FOR: u32 = 300;
const EVENT: &str = "refer";
const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// What a REFER asks for.
struct Request {
    target: Uri,
    replaces: Option<Replaces>,
    quiet: bool,
}

impl Ua {
    /// A REFER within a dialog.
    pub(super) fn referred(&mut self, id: SessionId, arrival: &Arrival, opened: Opened, turn: &mut Turn<'_>) {
        let asked = self.may_refer(id).and_then(|()| read(&arrival.request));
        let asked = match asked {
            Ok(asked) => asked,
            Err(objection) => return self.answer(&opened, objection.status, objection.extra, turn.now),
        };
        let replaced = match asked.replaces {
            None => Replaced::Nothing,
            Some(replaces) => self.find_replaced(&replaces).map_or(Replaced::Unknown, Replaced::Session),
        };
        let refer = ReferId(header::cseq(&arrival.request.headers).map_or(0, |cseq| cseq.seq));
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        let named = std::mem::replace(&mut talking.was_referred, true);
        talking.refer = Some(Refer { id: refer, opened: Some(opened), quiet: asked.quiet, named });
        let target = Pii::new(asked.target);
        self.flows.event(Event::Referred { session: id, refer, target, replaced });
    }

    /// Only a receptionist may ask, once she talks, and one thing at a time.
    fn may_refer(&mut self, id: SessionId) -> Result<(), Objection> {
        match self.sessions.get(&id) {
            Some(Session { peer: Peer::Receptionist(_), stage: Stage::Talking(talking), .. }) => {
                if talking.refer.is_some() { Err(Objection::plain(491)) } else { Ok(()) }
            }
            _ => Err(Objection::plain(403)),
        }
    }

    /// The layer above says whether it tries: 202, or why not.
    pub(super) fn answer_refer(&mut self, id: SessionId, refer: ReferId, status: u16, turn: &mut Turn<'_>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let flow = session.flow;
        let Some(talking) = session.talking() else { return };
        let Some(pending) = talking.refer.as_mut().filter(|pending| pending.id == refer) else { return };
        let Some(opened) = pending.opened.take() else { return };
        let quiet = pending.quiet;
        let accepted = (200..300).contains(&status);
        if quiet || !accepted {
            talking.refer = None;
        }
        let mut extra = Vec::new();
        if accepted {
            extra.push(compose::contact(&flow, opened.envelope.sips()));
            if quiet {
                extra.push(wire::header("Refer-Sub", "false".to_owned()));
            }
        }
        self.answer(&opened, status, extra, turn.now);
        if accepted && !quiet {
            // RFC 3515 §2.4.4: at once, and 100 is the least that there is to tell.
            self.notify(id, refer, 100, turn);
        }
    }

    /// Tells how far it got: a final status ends the subscription.
    pub(super) fn notify(&mut self, id: SessionId, refer: ReferId, status: u16, turn: &mut Turn<'_>) {
        let flow = self.way(id, turn);
        let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) else { return };
        let (Some(flow), Some(known)) = (flow, &talking.refer) else { return };
        if known.id != refer || known.opened.is_some() {
            return;
        }
        let event = if known.named { format!("{EVENT};id={}", refer.0) } else { EVENT.to_owned() };
        let state = if status >= 200 {
            talking.refer = None;
            "terminated;reason=noresource".to_owned()
        } else {
            format!("active;expires={SUBSCRIBED_FOR}")
        };
        let mut request = talking.dialog.request(Method::Notify);
        let sips = compose::is_sips(&request.uri);
        request.headers.push(compose::contact(&flow, sips));
        request.headers.push(wire::header("Event", event));
        request.headers.push(wire::header("Subscription-State", state));
        request.headers.push(Header::ContentType(SIPFRAG.into()));
        request.body = format!("SIP/2.0 {} {}\r\n", status, wire::reason(status)).into_bytes();
        self.begin(request, flow, Owner::Nobody, turn);
    }
}

/// RFC 3515 §2.1, §2.4.1: exactly one Refer-To, and what it asks for is an INVITE.
fn read(request: &rsip::Request) -> Result<Request, Objection> {
    let headers = &request.headers;
    if header::values(headers, "Refer-To").count() != 1 {
        return Err(Objection::plain(400));
    }
    let unreadable = |_| Objection::plain(400);
    let target = header::address(headers, "Refer-To").map_err(unreadable)?.uri.to_uri();
    if matches!(target.scheme, Scheme::Other(_)) {
        return Err(Objection::plain(416));
    }
    if target.param("method").flatten().is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
        return Err(Objection::plain(403));
    }
    let replaces = target.rest.as_deref().map_or(Ok(None), Replaces::escaped).map_err(unreadable)?;
    let refer_sub = header::first(headers, "Refer-Sub").unwrap_or_default();
    let quiet = refer_sub.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("false");
    Ok(Request { target: target.without_headers(), replaces, quiet })
}
