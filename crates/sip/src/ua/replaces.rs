//! INVITEs that take the place of a dialog (RFC 3891): a colleague picks a call up.
//!
//! Here stands which dialog is meant and whether it can be replaced at all; whether she may is the layer above's business.

use super::inspect::Objection;
use super::session::Stage;
use super::{Peer, SessionId, Ua};
use crate::header::{self, Replaces};

impl Ua {
    /// The session whose dialog has this name; early ones included.
    pub(super) fn find_replaced(&mut self, replaces: &Replaces) -> Option<SessionId> {
        let Replaces { call_id, to_tag, from_tag, .. } = replaces;
        let id = *self.dialogs.get(&(call_id.clone(), to_tag.clone()))?;
        self.sessions.get_mut(&id)?.dialog_mut(call_id, to_tag, from_tag)?;
        Some(id)
    }

    /// Which session this INVITE is to replace, if any (RFC 3891 §3).
    pub(super) fn replaced_by(
        &mut self,
        request: &rsip::Request,
        peer: &Peer,
    ) -> Result<Option<SessionId>, Objection> {
        let replaces = header::replaces(&request.headers).map_err(|_| Objection::plain(400))?;
        let Some(replaces) = replaces else { return Ok(None) };
        // A carrier has no business with the dialogs of others, nor with two of its own.
        if !matches!(peer, Peer::Receptionist(_)) {
            return Err(Objection::plain(403));
        }
        let found = self.find_replaced(&replaces).ok_or_else(|| Objection::plain(481))?;
        match self.sessions.get(&found).map(|session| &session.stage) {
            Some(Stage::Talking(_)) if replaces.early_only => Err(Objection::plain(486)),
            // Ringing elsewhere is picked up; an early dialog that its peer began is not to be had.
            Some(Stage::Talking(_) | Stage::Calling(_)) => Ok(Some(found)),
            Some(Stage::Closing(_)) => Err(Objection::plain(603)),
            Some(Stage::Invited(_)) | None => Err(Objection::plain(481)),
        }
    }
}
