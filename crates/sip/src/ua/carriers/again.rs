//! A request of ours once more: with a digest (RFC 3261 §22.2, §22.3), or to another target (RFC 3263 §4.3).
//!
//! Only requests that we began ourselves can be sent again. Within a dialog that the other side began, a challenge is
//! never answered: anybody who may call us could ask.

use std::time::Duration;

use rsip::{Header, Headers, Request, Response};
use vorzimmer_types::TrunkId;

use super::{Attempt, TrunkNews};
use crate::carrier::Target;
use crate::header;
use crate::transaction::TransactionId;
use crate::ua::session::{Cancel, Owner, Reinvite, Session, Stage};
use crate::ua::{Flow, Peer, Turn, Ua};
use crate::uri::Uri;
use crate::wire::method_name;

/// The most attempts that are remembered besides those that wait for an answer.
const SLACK: usize = 64;

impl Ua {
    /// The trunk that a request of ours is for, if it may be sent again.
    pub(in crate::ua) fn carrier_behind(&self, owner: Owner) -> Option<TrunkId> {
        let id = match owner {
            Owner::Register(trunk) | Owner::Probe(trunk) => return Some(trunk),
            Owner::Invite(id)
            | Owner::Reinvite(id)
            | Owner::Update(id)
            | Owner::Refresh(id)
            | Owner::Bye(id) => id,
            _ => return None,
        };
        let session = self.sessions.get(&id)?;
        let ours = session.dialog().is_none_or(crate::dialog::Dialog::is_ours);
        match session.peer {
            Peer::Trunk { id, .. } if ours && self.carriers.all.contains_key(&id) => Some(id),
            _ => None,
        }
    }

    /// Puts the digests that this trunk has asked for before into a request of ours.
    pub(in crate::ua) fn authorize(
        &mut self,
        trunk: TrunkId,
        owner: Owner,
        request: &mut Request,
        turn: &mut Turn<'_>,
    ) {
        let Some(carrier) = self.carriers.all.get_mut(&trunk) else { return };
        if !matches!(owner, Owner::Probe(_)) {
            let (method, uri) = (method_name(request.method), Uri::from(&request.uri).to_string());
            carrier.keyring.authorize(method, &uri, &mut request.headers, turn.entropy);
        }
    }

    /// Remembers a request that was just sent.
    pub(in crate::ua) fn remember(
        &mut self,
        transaction: TransactionId,
        trunk: TrunkId,
        request: Request,
        flow: &Flow,
    ) {
        let Self { carriers, clients, .. } = self;
        if carriers.attempts.len() > clients.len() + SLACK {
            carriers.attempts.retain(|id, _| clients.is_pending(*id));
        }
        let target = Target::from(flow);
        let attempt =
            Attempt { trunk, request: Box::new(request), target, tried: Vec::new(), answered: Vec::new() };
        carriers.attempts.insert(transaction, attempt);
    }

    /// A final answer to a request of ours. `None`: it was sent again, and this answer is of no interest. Else the target
    /// that answered, if it is a trunk's.
    pub(in crate::ua) fn heard_from_target(
        &mut self,
        transaction: TransactionId,
        owner: Owner,
        response: &Response,
        turn: &mut Turn<'_>,
    ) -> Option<Option<Target>> {
        let Some(mut attempt) = self.carriers.attempts.remove(&transaction) else { return Some(None) };
        let target = attempt.target;
        let probe = matches!(owner, Owner::Probe(_));
        let again = match response.status_code.code() {
            401 | 407 if !probe && self.is_wanted(owner) => {
                self.challenged(&mut attempt, owner, &response.headers)
                    && self.send_again(attempt, owner, target, turn)
            }
            503 if !probe => {
                if let Some(seconds) = header::retry_after(&response.headers)
                    && let Some(carrier) = self.carriers.all.get_mut(&attempt.trunk)
                {
                    let rest = Duration::from_secs(seconds.into());
                    carrier.way.asked_for_rest(target, rest, turn.now.mono);
                }
                self.try_elsewhere(attempt, owner, turn)
            }
            _ => false,
        };
        if again {
            self.invites.remove(&transaction);
            return None;
        }
        Some(Some(target))
    }

    /// No answer came, or the connection broke (RFC 3263 §4.3). As [`Self::heard_from_target`].
    pub(in crate::ua) fn target_silent(
        &mut self,
        transaction: TransactionId,
        owner: Owner,
        turn: &mut Turn<'_>,
    ) -> Option<Option<Target>> {
        let Some(attempt) = self.carriers.attempts.remove(&transaction) else { return Some(None) };
        let target = attempt.target;
        if !matches!(owner, Owner::Probe(_)) && self.try_elsewhere(attempt, owner, turn) {
            self.invites.remove(&transaction);
            return None;
        }
        Some(Some(target))
    }

    /// A call that was given up meanwhile is not placed again.
    fn is_wanted(&self, owner: Owner) -> bool {
        let Owner::Invite(id) = owner else { return true };
        let session = self.sessions.get(&id);
        session.is_some_and(
            |session| matches!(&session.stage, Stage::Calling(calling) if calling.cancel == Cancel::No),
        )
    }

    fn challenged(&mut self, attempt: &mut Attempt, owner: Owner, headers: &Headers) -> bool {
        let Some(carrier) = self.carriers.all.get_mut(&attempt.trunk) else { return false };
        // Where nothing is registered, there is nobody but the trunk itself to name the realm.
        let by_registrar = matches!(owner, Owner::Register(_)) || carrier.provider.register.is_none();
        match carrier.keyring.challenged(headers, by_registrar, &mut attempt.answered) {
            Ok(()) => true,
            Err(why) => {
                self.trunk_news(attempt.trunk, TrunkNews::ChallengeRefused { why });
                false
            }
        }
    }

    fn try_elsewhere(&mut self, mut attempt: Attempt, owner: Owner, turn: &mut Turn<'_>) -> bool {
        let (trunk, now) = (attempt.trunk, turn.now.mono);
        self.found_dead(trunk, attempt.target, turn);
        let begins = matches!(owner, Owner::Register(_) | Owner::Invite(_));
        attempt.tried.push(attempt.target);
        let Some(carrier) = self.carriers.all.get(&trunk) else { return false };
        match carrier.way.next(&attempt.tried, now) {
            Some(next) if begins && self.is_wanted(owner) => self.send_again(attempt, owner, next, turn),
            _ => false,
        }
    }

    /// The same request in a new transaction, with the next number (§8.1.3.5).
    fn send_again(&mut self, attempt: Attempt, owner: Owner, target: Target, turn: &mut Turn<'_>) -> bool {
        let Attempt { trunk, request, tried, answered, target: before } = attempt;
        let mut request = *request;
        let flow = match (target == before, self.flow_of(owner)) {
            (true, Some(flow)) if self.flows.is_usable(&flow) => Some(flow),
            _ => self.flow_to(trunk, target, turn),
        };
        let Some(flow) = flow else { return false };
        let Some(seq) = self.next_number(owner, &request) else { return false };
        let number = format!("{seq} {}", method_name(request.method));
        header::set(&mut request.headers, Header::CSeq(number.into()));
        if target != before {
            self.move_contact(owner, &mut request, &flow);
        }
        let Some(id) = self.begin(request.clone(), flow, owner, turn) else { return false };
        if let Some(attempt) = self.carriers.attempts.get_mut(&id) {
            (attempt.tried, attempt.answered) = (tried, answered);
        }
        self.now_waits_for(owner, id, request, flow);
        true
    }

    /// The flow that a session's requests go by.
    fn flow_of(&self, owner: Owner) -> Option<Flow> {
        self.session_behind(owner).map(|session| session.flow)
    }

    fn session_behind(&self, owner: Owner) -> Option<&Session> {
        match owner {
            Owner::Invite(id)
            | Owner::Reinvite(id)
            | Owner::Update(id)
            | Owner::Refresh(id)
            | Owner::Bye(id) => self.sessions.get(&id),
            _ => None,
        }
    }

    fn next_number(&mut self, owner: Owner, request: &Request) -> Option<u32> {
        let next = header::cseq(&request.headers).ok()?.seq.saturating_add(1).min(header::MAX_SEQ);
        match owner {
            Owner::Register(trunk) => self.carriers.all.get_mut(&trunk)?.dialogue.seq = next,
            Owner::Reinvite(id) | Owner::Update(id) | Owner::Refresh(id) | Owner::Bye(id) => {
                return self.sessions.get_mut(&id)?.next_number();
            }
            _ => {}
        }
        Some(next)
    }

    /// Whoever answers there must reach us there.
    fn move_contact(&self, owner: Owner, request: &mut Request, flow: &Flow) {
        match owner {
            Owner::Register(trunk) => {
                if let Some(carrier) = self.carriers.all.get(&trunk) {
                    header::set(&mut request.headers, Header::Contact(carrier.contact(flow).into()));
                }
            }
            _ => super::registering::set_contact(
                &mut request.headers,
                flow,
                crate::ua::compose::is_sips(&request.uri),
            ),
        }
    }

    /// Whoever waited for the old transaction waits for the new one.
    fn now_waits_for(&mut self, owner: Owner, transaction: TransactionId, request: Request, flow: Flow) {
        match owner {
            Owner::Register(trunk) => {
                if let Some(carrier) = self.carriers.all.get_mut(&trunk) {
                    carrier.register = Some(transaction);
                }
            }
            Owner::Invite(id) => {
                let Some(session) = self.sessions.get_mut(&id) else { return };
                session.flow = flow;
                if let Stage::Calling(calling) = &mut session.stage {
                    calling.transaction = transaction;
                    calling.heard = false;
                    calling.early.clear();
                    *calling.request = request;
                }
            }
            Owner::Reinvite(id) | Owner::Update(id) => {
                let talking = self.sessions.get_mut(&id).and_then(Session::talking);
                if let Some(Reinvite::Sent { transaction: waits, .. }) =
                    talking.map(|talking| &mut talking.ours)
                {
                    *waits = transaction;
                }
            }
            Owner::Refresh(id) => {
                if let Some(talking) = self.sessions.get_mut(&id).and_then(Session::talking) {
                    talking.refresh = Some(transaction);
                }
            }
            _ => {}
        }
    }
}
