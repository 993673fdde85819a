//! All three together: asked first if they must be, then heard by each other, until one of them leaves.

use vorzimmer_consent::{Input, Newcomer};
use vorzimmer_types::event::{EndedBy, Event, TransferOutcome};

use super::{Consulting, Three};
use crate::api::MediaCommand;
use crate::call::{Attendant, Call, State};
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Purpose;
use crate::plan::Plan;
use crate::{prompts, reasons};

impl Call {
    /// She wants all three to talk.
    pub(super) fn wants_three(&mut self, hands: &mut Hands<'_>) {
        let State::Consulting(consulting) = &self.state else { return };
        // A phone that holds two calls with us mixes them itself if it can.
        if consulting.second.is_some() {
            self.prompt(Side::Attendant, prompts::TRANSFER_NOT_ALLOWED, Purpose::Notice, hands);
            return;
        }
        let State::Consulting(consulting) = std::mem::replace(&mut self.state, State::Asking) else { return };
        let Consulting { giver, guest, .. } = *consulting;
        hands.media(MediaCommand::Unbridge { call: self.id });
        self.journal.write(hands, Event::TransferEnded { outcome: TransferOutcome::Joined });
        let (party, who) = (guest.leg.party, guest.person.who());
        self.state = State::Three(Box::new(Three { attendant: giver, guest, joined: false }));
        self.together(Vec::new(), hands);
        self.settle_sound(Side::Caller, hands);
        let newcomer = Newcomer { party, who, question: self.question_for(Side::Guest, hands) };
        if !self.consent(Input::Join(newcomer), hands) {
            let why = "whoever was to join could not";
            self.finish(EndedBy::Vorzimmer, why, reasons::ended_by_us(), hands);
        }
    }

    /// Nobody is being asked any more: they hear each other.
    pub(in crate::call) fn join_three(&mut self, hands: &mut Hands<'_>) {
        let (call, Some(caller)) = (self.id, &mut self.caller) else { return };
        let State::Three(three) = &mut self.state else { return };
        if std::mem::replace(&mut three.joined, true) {
            return;
        }
        let legs = vec![caller.id, three.attendant.leg.id, three.guest.leg.id];
        let parties = vec![caller.party, three.attendant.leg.party, three.guest.leg.party];
        hands.media(MediaCommand::Mix { call, legs });
        for side in [Side::Caller, Side::Attendant, Side::Guest] {
            self.settle_sound(side, hands);
        }
        self.together(parties, hands);
    }

    /// She leaves the caller to whoever has joined.
    pub(super) fn attendant_leaves(&mut self, three: Three, hands: &mut Hands<'_>) {
        let Three { attendant, guest, .. } = three;
        self.two_are_left(guest, attendant, hands);
    }

    /// Whoever has joined leaves again.
    pub(super) fn guest_leaves(&mut self, three: Three, hands: &mut Hands<'_>) {
        let Three { attendant, guest, .. } = three;
        self.two_are_left(attendant, guest, hands);
    }

    /// The two who stay hear each other again; if one of them is still being asked, after that.
    fn two_are_left(&mut self, stays: Attendant, leaves: Attendant, hands: &mut Hands<'_>) {
        let party = leaves.leg.party;
        hands.media(MediaCommand::Unbridge { call: self.id });
        let plan = Plan::nobody(hands.now.mono);
        self.state = State::Taken { attendant: Box::new(stays), plan };
        self.consent(Input::Leave { party }, hands);
        self.journal.write(hands, Event::Left { party });
        self.release(leaves, reasons::normal(), hands);
        if matches!(self.state, State::Taken { .. }) && !self.gate.machine().is_asking() {
            self.connect(hands);
            self.hold_as_connected(hands);
        }
    }
}
