//! A device whose connection breaks while it rings is rung over its next flow (RFC 5626 §5.3).
//!
//! There it is a call of its own, with a Call-ID of its own: a device would take the same one for a loop (RFC 3261
//! §8.2.2.2). The old one is cancelled over the flow that is left, whether we heard it ring or not: what the device said of
//! that may have been lost with the connection, and somebody who picks the old one up would hear nobody. One that never
//! got there is answered 481, and no harm done: RFC 3261 §9.1 waits for a provisional answer so that no CANCEL overtakes
//! its INVITE, which by now cannot come any more.

use rsip::{Header, Method, Request};
use vorzimmer_types::entropy;

use super::session::{Calling, Cancel, Owner, Session, Stage};
use super::{Binding, Reason, SessionId, Turn, Ua, compose};
use crate::dialog;
use crate::header;
use crate::transaction::Kind;
use crate::uri::{NameAddr, Scheme, Uri};

impl Ua {
    /// False if there is no other flow, or nobody wants it any more.
    pub(super) fn ring_by_next_flow(&mut self, id: SessionId, turn: &mut Turn<'_>) -> bool {
        let Some((next, mut request)) = self.next_flow(id) else { return false };
        if !readdress(&mut request, &next) {
            return false;
        }
        self.stop_ringing_there(id, &next, turn);
        let call_id = hex::encode(entropy::array::<16>(turn.entropy));
        header::set(&mut request.headers, Header::CallId(call_id.clone().into()));
        let Some(transaction) = self.begin(request.clone(), next.flow, Owner::Invite(id), turn) else {
            return false;
        };
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        self.dialogs.remove(&session.key);
        session.key.0 = call_id;
        self.dialogs.insert(session.key.clone(), id);
        session.flow = next.flow;
        session.device = Some(Box::new(next));
        session.stage = Stage::Calling(Calling::new(transaction, request));
        true
    }

    /// The device by the flow that is left, and what it was rung with. What began in secret goes on in secret.
    fn next_flow(&self, id: SessionId) -> Option<(Binding, Request)> {
        let session = self.sessions.get(&id)?;
        let Stage::Calling(calling) = &session.stage else { return None };
        let next = self.way_to_device(session.device.as_ref()?)?;
        let secure = !session.flow.transport.is_secure() || next.flow.transport.is_secure();
        let wanted = calling.cancel == Cancel::No && next.flow != session.flow && secure;
        wanted.then(|| (next, Request::clone(&calling.request)))
    }

    fn stop_ringing_there(&mut self, id: SessionId, next: &Binding, turn: &mut Turn<'_>) {
        let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get(&id) else { return };
        let Some(invite) = self.invites.get(&calling.transaction) else { return };
        let mut cancel = compose::same_hop(&invite.request, Method::Cancel, None);
        let text = "Rung over another flow".to_owned();
        let reason = Reason { protocol: "SIP", cause: 430, text, warning: None };
        compose::reason(&mut cancel.headers, Some(&reason));
        self.begin_signed(&cancel, Kind::Other, next.flow, Owner::Nobody, turn);
    }
}

/// The same INVITE to the device as it registered over this flow. False if its Contact cannot be read.
fn readdress(request: &mut Request, device: &Binding) -> bool {
    let Ok(target) = Uri::parse(device.contact.expose()).map(Uri::without_headers) else { return false };
    let (uri, routes) = dialog::applied(&target, &device.route());
    let headers = &mut request.headers;
    headers.retain(|line| !matches!(line, Header::Route(_)));
    for route in routes {
        headers.push(Header::Route(route.to_string().into()));
    }
    header::set(headers, compose::contact(&device.flow, target.scheme == Scheme::Sips));
    header::set(headers, Header::To(NameAddr::new(target).to_string().into()));
    request.uri = uri.into();
    true
}
