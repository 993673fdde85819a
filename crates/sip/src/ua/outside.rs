//! Requests outside any dialog, and those that name a dialog that is not there.

use rsip::{Header, Method};

use super::compose::{self, ACCEPT_SDP};
use super::gate::Standing;
use super::inspect::not_allowed;
use super::respond::Arrival;
use super::{Flow, Turn, Ua};
use crate::wire::Skeleton;

impl Ua {
    /// Everything without a To tag but ACK, CANCEL and REGISTER.
    pub(super) fn outside_dialog(&mut self, arrival: Arrival, turn: &mut Turn<'_>) {
        let method = arrival.request.method;
        let peer = match self.standing(&arrival, turn) {
            Standing::Proven(peer) => Some(peer),
            // An INVITE asks for service, and service asks for proof.
            Standing::Familiar if method == Method::Invite => return self.challenge(&arrival, false, turn),
            Standing::Familiar => None,
            Standing::Unproven { stale } => return self.challenge(&arrival, stale, turn),
            Standing::Stranger => {
                self.counters.unknown += 1;
                return;
            }
        };
        let objection = self.inspect(&arrival.request).err();
        let Some(opened) = self.open(&arrival, turn) else { return };
        if let Some(objection) = objection {
            return self.answer(&opened, objection.status, objection.extra, turn.now);
        }
        match (method, peer) {
            (Method::Invite, Some(peer)) => self.invite(arrival, peer, opened, turn),
            // A transfer is asked for within the call that is to be transferred, or not at all.
            (Method::Invite | Method::Refer, _) => self.answer(&opened, 403, Vec::new(), turn.now),
            (Method::Options, _) => self.answer(&opened, 200, abilities(), turn.now),
            // Both belong to a dialog, and there is none.
            (Method::Bye | Method::Info | Method::PRack | Method::Update, _) => {
                self.answer(&opened, 481, Vec::new(), turn.now)
            }
            _ => {
                let objection = not_allowed();
                self.answer(&opened, objection.status, objection.extra, turn.now);
            }
        }
    }

    /// A request for a dialog or transaction that is not there: 481 for those we know (§12.2.2, §9.2).
    pub(super) fn unmatched(&mut self, arrival: &Arrival, turn: &mut Turn<'_>) {
        if self.is_familiar(&arrival.flow, turn.now) {
            self.counters.unmatched += 1;
            self.answer_at_once(arrival, 481, Vec::new(), turn);
        } else {
            self.counters.unknown += 1;
        }
    }

    /// A method that is not known at all (§8.2.1): 405 for those we know.
    pub(super) fn unknown_method(&mut self, flow: Flow, size: usize, reply: &Skeleton, turn: &mut Turn<'_>) {
        if self.is_familiar(&flow, turn.now) {
            let size = size.max(super::inbound::FAMILIAR_ALLOWANCE);
            let objection = not_allowed();
            self.answer_stateless(reply, flow, size, objection.status, objection.extra);
        } else {
            self.counters.unknown += 1;
        }
    }
}

/// What an answer to OPTIONS says (§11.2).
pub(super) fn abilities() -> Vec<Header> {
    vec![
        Header::Allow(compose::ALLOW.into()),
        Header::Accept(ACCEPT_SDP.into()),
        Header::AcceptEncoding("identity".into()),
        Header::Supported(compose::EXTENSIONS.join(", ").into()),
    ]
}
