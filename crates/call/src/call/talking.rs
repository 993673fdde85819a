//! A receptionist has answered: she may be asked, is connected, holds and resumes.

use bytes::Bytes;
use vorzimmer_consent::Input;
use vorzimmer_sdp::{Codec, Description, Refusal};
use vorzimmer_sip::ua::{Command, SessionId};
use vorzimmer_types::PartyId;
use vorzimmer_types::consent::Language;
use vorzimmer_types::event::{EndedBy, Event};

use super::{Call, State, Whose};
use crate::aim::Person;
use crate::api::MediaCommand;
use crate::hands::Hands;
use crate::hold::{Hold, Side};
use crate::leg::Leg;
use crate::{reasons, security};

/// Whoever took the call: a receptionist, or somebody outside to whom it was put through.
pub(crate) struct Attendant {
    pub(crate) leg: Leg,
    /// Until it is over.
    pub(crate) session: Option<SessionId>,
    pub(crate) person: Person,
    pub(crate) language: Language,
    /// It was said in the call's history that she is connected.
    pub(super) met: bool,
}

impl Attendant {
    /// `fallback` is the language of somebody outside, or who has just been taken out of the directory.
    pub(super) fn new(
        leg: Leg,
        session: SessionId,
        person: Person,
        fallback: Language,
        hands: &Hands<'_>,
    ) -> Self {
        let known = person.receptionist().and_then(|id| hands.world.directory().receptionist(id));
        let language = known.map_or(fallback, |known| known.language);
        Self { leg, session: Some(session), person, language, met: false }
    }
}

impl Call {
    /// She joins, while the caller still hears ring-back: if she must be asked, that happens before they are connected.
    pub(super) fn attendant_joins(&mut self, hands: &mut Hands<'_>) {
        let State::Taken { attendant, .. } = &self.state else { return };
        let who = attendant.person.who();
        if !self.join(Side::Attendant, who, hands) {
            self.finish(EndedBy::Vorzimmer, "the receptionist could not join", reasons::ended_by_us(), hands);
        }
    }

    /// They hear each other, if they do not already. Follow it with [`Call::hold_as_connected`].
    pub(super) fn connect(&mut self, hands: &mut Hands<'_>) {
        let (State::Taken { .. }, Some(caller)) = (&self.state, &mut self.caller) else { return };
        caller.hush(hands);
        let (caller, party) = (caller.id, caller.party);
        let State::Taken { mut attendant, .. } = std::mem::replace(&mut self.state, State::Asking) else {
            return;
        };
        let (call, other) = (self.id, attendant.leg.id);
        hands.media(MediaCommand::Bridge { call, caller, other });
        if let Some(event) = attendant.meet() {
            self.journal.write(hands, event);
        }
        let parties = vec![party, attendant.leg.party];
        self.together(parties, hands);
        self.state = State::Bridged { attendant, hold: Hold::Nobody };
        self.share_codec(hands);
    }

    /// Both were asked for their codecs one after the other. If what one has must be transcoded for the other although
    /// both know it, the other is asked for it: a re-INVITE, after which voices are passed on as they come. Whatever
    /// becomes of that, the talk goes on.
    fn share_codec(&mut self, hands: &mut Hands<'_>) {
        let codec = |side| self.leg(side).and_then(Leg::codec);
        let (Some(caller), Some(attendant)) = (codec(Side::Caller), codec(Side::Attendant)) else { return };
        if caller.relays_to(attendant) {
            return;
        }
        for (side, session, wanted) in [
            (Side::Caller, self.session, attendant),
            (Side::Attendant, self.attendant().and_then(|attendant| attendant.session), caller),
        ] {
            let Some((session, leg)) = session.zip(self.leg_mut(side)) else { continue };
            if let Some(sdp) = leg.offer_codec(wanted, hands) {
                return hands.sip(Command::Reinvite { session, sdp });
            }
        }
    }

    /// Somebody may have pressed hold before they were connected.
    pub(super) fn hold_as_connected(&mut self, hands: &mut Hands<'_>) {
        for side in [Side::Caller, Side::Attendant, Side::Guest] {
            self.hold_changed(side, hands);
        }
    }

    /// A new description is offered within a session: hold, resume, another address, or only a refresh.
    pub(super) fn reoffered(&mut self, session: SessionId, sdp: Option<&Bytes>, hands: &mut Hands<'_>) {
        let side = match self.whose(session) {
            Whose::Caller => Side::Caller,
            Whose::Attendant => Side::Attendant,
            Whose::Device => return self.device_reoffers(session, sdp, hands),
            // It is on its way out, and its last request wants an answer.
            Whose::Nobody => return refuse_offer(session, Refusal::NoAudio, hands),
            Whose::Guest => Side::Guest,
            Whose::Second => return self.second_reoffered(session, sdp, hands),
        };
        let prefer = self.leg(side.other()).and_then(Leg::codec);
        let Some(leg) = self.leg_mut(side) else {
            return refuse_offer(session, Refusal::NoAudio, hands);
        };
        let Some(sdp) = sdp else {
            return match leg.offer(prefer, hands) {
                Ok(sdp) => hands.sip(Command::Accept { session, sdp }),
                Err(refusal) => refuse_offer(session, refusal, hands),
            };
        };
        match take_offer(leg, sdp, prefer, hands) {
            Ok(sdp) => {
                hands.sip(Command::Accept { session, sdp });
                self.tell_security(side, hands);
                self.hold_changed(side, hands);
                if matches!(self.state, State::Bridged { hold: Hold::Nobody, .. }) {
                    self.share_codec(hands);
                }
            }
            // RFC 3261 §14.2: the session goes on as it was.
            Err(refusal) => refuse_offer(session, refusal, hands),
        }
    }

    /// A leg's description has changed: how it is protected may have, too.
    pub(super) fn tell_security(&mut self, side: Side, hands: &mut Hands<'_>) {
        let Some(leg) = self.leg_mut(side) else { return };
        let (id, news) = (leg.id, leg.security_news());
        if let Some(security) = news {
            self.journal.write(hands, Event::Secured { leg: id, security });
        }
    }

    /// A leg's description has changed: who holds may have, too.
    pub(super) fn hold_changed(&mut self, side: Side, hands: &mut Hands<'_>) {
        let Some(leg) = self.leg(side) else { return };
        let (party, holds) = (leg.party, leg.holds());
        if let State::Three(three) = &self.state {
            if three.joined {
                self.hold_among_three(party, holds, hands);
            }
            return;
        }
        let State::Bridged { hold, .. } = &mut self.state else { return };
        let before = *hold;
        *hold = before.after(side, holds);
        let after = *hold;
        if before == after {
            return;
        }
        let (event, input) = hold_or_resume(party, holds);
        self.journal.write(hands, event);
        for side in [Side::Caller, Side::Attendant] {
            if before.waits(side) != after.waits(side) {
                self.settle_sound(side, hands);
            }
        }
        self.consent(input, hands);
    }
}

/// What a party's holding, or its end, is in the timeline and to consent.
fn hold_or_resume(party: PartyId, holds: bool) -> (Event, Input) {
    if holds {
        (Event::Held { party }, Input::Hold { party })
    } else {
        (Event::Resumed { party }, Input::Resume { party })
    }
}

impl Call {
    /// Among three, whoever holds misses something, and nothing is recorded meanwhile; the others go on talking.
    fn hold_among_three(&mut self, party: PartyId, holds: bool, hands: &mut Hands<'_>) {
        let held = self.gate.machine().party(party).is_some_and(|known| known.is_holding());
        if held == holds {
            return;
        }
        let (event, input) = hold_or_resume(party, holds);
        self.journal.write(hands, event);
        self.consent(input, hands);
    }

    /// A new description for the second call of a receptionist's phone: holding it concerns nobody else.
    fn second_reoffered(&mut self, session: SessionId, sdp: Option<&Bytes>, hands: &mut Hands<'_>) {
        let prefer = self.leg(Side::Guest).and_then(Leg::codec);
        let Some(leg) = self.second_mut().map(|second| &mut second.leg) else { return };
        let answer = match sdp {
            Some(sdp) => take_offer(leg, sdp, prefer, hands),
            None => leg.offer(prefer, hands),
        };
        match answer {
            Ok(sdp) => hands.sip(Command::Accept { session, sdp }),
            Err(status) => refuse_offer(session, status, hands),
        }
    }
}

pub(super) fn take_offer(
    leg: &mut Leg,
    sdp: &Bytes,
    prefer: Option<Codec>,
    hands: &mut Hands<'_>,
) -> Result<Bytes, Refusal> {
    leg.answer(&Description::parse(sdp)?, prefer, hands)
}

pub(super) fn refuse_offer(session: SessionId, refusal: Refusal, hands: &mut Hands<'_>) {
    hands.refuse(session, refusal.status(), Some(security::refused(refusal)));
}
