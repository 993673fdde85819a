//! What a device says while it rings: the forks of one INVITE, reliable answers and their PRACKs (RFC 3262 §4).

use bytes::Bytes;
use rsip::{Method, Request, Response};

use super::compose;
use super::session::{Calling, Early, Owed, Owner, Session, Stage};
use super::{Event, SessionId, Turn, Ua, body};
use crate::dialog::Dialog;
use crate::header;
use crate::wire;

/// The most forks of one INVITE that are told apart; further 2xx go unacknowledged, and their sender ends them.
pub(super) const MAX_FORKS: usize = 8;
/// The most reliable answers of one fork that are acknowledged: a device rings, it does not count.
const MAX_RELIABLE: u8 = 32;

/// What to do about a provisional answer.
enum Reliable {
    /// It is not reliable.
    No,
    /// It is to be acknowledged, in the fork at this place, by this RSeq.
    New(usize, u32),
    /// It came before, or too early: the one that is next will be repeated (§4).
    Other,
}

impl Early {
    fn new(dialog: Dialog) -> Self {
        Self { dialog, rseq: None, acknowledged: 0, answer: None, theirs: None, settled: false }
    }

    /// Whether offer and answer of the INVITE are complete in this fork.
    pub fn is_complete(&self) -> bool {
        self.answer.is_some() || self.settled
    }
}

impl Ua {
    /// A device makes progress.
    pub(super) fn progressed(&mut self, id: SessionId, response: &Response, turn: &mut Turn<'_>) {
        self.peer_can(id, &response.headers);
        let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get_mut(&id) else { return };
        calling.heard = true;
        let status = response.status_code.code();
        remember_early(calling, self.invites.get(&calling.transaction).map(|i| &*i.request), response);
        let sdp = body::sdp(&response.headers, &response.body);
        match reliable(calling, response) {
            Reliable::Other => return,
            Reliable::New(fork, rseq) => self.acknowledge_progress(id, fork, rseq, sdp.as_ref(), turn),
            Reliable::No => {}
        }
        let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get_mut(&id) else { return };
        if calling.cancel != super::session::Cancel::No {
            return self.send_cancel(id, turn);
        }
        if status > 100 {
            self.flows.event(Event::Progressed { session: id, status, sdp });
        }
    }

    /// PRACKs it; unless it holds an offer, whose answer the layer above must give first (§5).
    fn acknowledge_progress(
        &mut self,
        id: SessionId,
        fork: usize,
        rseq: u32,
        sdp: Option<&Bytes>,
        turn: &mut Turn<'_>,
    ) {
        let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get_mut(&id) else { return };
        let offered = calling.offered();
        let Some(early) = calling.early.get_mut(fork) else { return };
        early.rseq = Some(rseq);
        early.acknowledged += 1;
        if !early.is_complete()
            && let Some(sdp) = sdp
        {
            if !offered && calling.owed.is_none() {
                calling.owed = Some(Owed::Prack { fork, rseq });
                return;
            }
            early.answer = Some(sdp.clone());
        }
        self.prack(id, fork, rseq, None, turn);
    }

    pub(super) fn prack(
        &mut self,
        id: SessionId,
        fork: usize,
        rseq: u32,
        answer: Option<&Bytes>,
        turn: &mut Turn<'_>,
    ) {
        let Some(Session { stage: Stage::Calling(calling), .. }) = self.sessions.get_mut(&id) else { return };
        let Some(invite) = self.invites.get_mut(&calling.transaction) else { return };
        let Some(early) = calling.early.get_mut(fork) else { return };
        let seq = header::cseq(&invite.request.headers).map_or(0, |cseq| cseq.seq);
        let mut request = early.dialog.request(Method::PRack);
        invite.spent = invite.spent.max(early.dialog.local_seq());
        request.headers.push(wire::header("RAck", format!("{rseq} {seq} INVITE")));
        if let Some(answer) = answer {
            early.settled = true;
            compose::sdp(&mut request.headers, &mut request.body, answer);
        }
        let flow = invite.flow;
        // Whatever its answer is: who does not know the PRACK any more has answered or given up the INVITE.
        self.begin(request, flow, Owner::Nobody, turn);
    }
}

/// §4: in order, and each once.
fn reliable(calling: &Calling, response: &Response) -> Reliable {
    let headers = &response.headers;
    let status = response.status_code.code();
    if status == 100 || !header::has_token(headers, "Require", "100rel") {
        return Reliable::No;
    }
    let tag = header::to(headers).ok().and_then(|to| to.tag()).unwrap_or_default();
    let fork = calling.early.iter().position(|early| early.dialog.remote_tag() == tag);
    let (Some(rseq), Some(fork)) = (header::rseq(headers), fork) else { return Reliable::No };
    let Some(early) = calling.early.get(fork) else { return Reliable::No };
    let next = early.rseq.is_none_or(|last| last.checked_add(1) == Some(rseq));
    if next && early.acknowledged < MAX_RELIABLE { Reliable::New(fork, rseq) } else { Reliable::Other }
}

/// Keeps the early dialog that a 1xx makes, so that requests within it are recognised.
fn remember_early(calling: &mut Calling, invite: Option<&Request>, response: &Response) {
    let tag = header::to(&response.headers).ok().and_then(|to| to.tag()).unwrap_or_default();
    let known = calling.early.iter().any(|early| early.dialog.remote_tag() == tag);
    if tag.is_empty() || known || calling.early.len() >= MAX_FORKS {
        return;
    }
    if let Some(dialog) = invite.and_then(|invite| Dialog::as_client(invite, response).ok()) {
        calling.early.push(Early::new(dialog));
    }
}
