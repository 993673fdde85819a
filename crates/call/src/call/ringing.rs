//! Receptionists' devices are rung by the plan; the first answer wins.
//!
//! Each device has a leg of its own, so that each offer names ports of its own. All devices of a receptionist ring at
//! once. A refusal ends that device; a 6xx ends all devices of that receptionist (RFC 3261 §21.6: she will not take it
//! anywhere), and nobody else's.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use vorzimmer_sdp::{Browser, Codec, Refusal};
use vorzimmer_sip::ua::{Binding, Command, FromParty, Reason, SessionId};
use vorzimmer_types::event::{Caller, Event, RingOutcome};
use vorzimmer_types::{LegId, Pii, ReceptionistId};

use super::talking::{refuse_offer, take_offer};
use super::{Attendant, Call, State};
use crate::aftermath::Aftermath;
use crate::aim::Person;
use crate::config::End;
use crate::hands::{Hands, Journal};
use crate::hold::Side;
use crate::leg::{Leg, NOT_ACCEPTABLE_HERE, Towards};
use crate::limits::{DEVICES_PER_CALL, DEVICES_PER_RECEPTIONIST, OPEN_WITHIN};
use crate::plan::{PlaceId, Plan};
use crate::{reasons, security};

/// The devices that ring, and who is next.
pub(crate) struct Ringing {
    plan: Plan,
    devices: Vec<Device>,
}

struct Device {
    leg: Leg,
    place: PlaceId,
    receptionist: ReceptionistId,
    stage: Stage,
}

enum Stage {
    /// Its leg is being opened.
    Opening { binding: Box<Binding>, until: Instant },
    /// It rings.
    Ringing { binding: Box<Binding>, session: SessionId },
}

impl Ringing {
    pub(super) fn rings(&self, session: SessionId) -> bool {
        self.devices.iter().any(|device| device.session() == Some(session))
    }

    /// The leg that rings in this session.
    pub(super) fn leg_of(&self, session: SessionId) -> Option<LegId> {
        self.devices.iter().find(|device| device.session() == Some(session)).map(|device| device.leg.id)
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        let opening = self.devices.iter().filter_map(|device| match device.stage {
            Stage::Opening { until, .. } => Some(until),
            Stage::Ringing { .. } => None,
        });
        opening.chain(self.plan.next_wake()).min()
    }

    /// Takes the devices out that `which` picks.
    fn take(&mut self, which: impl Fn(&Device) -> bool) -> Vec<Device> {
        let (taken, left) = std::mem::take(&mut self.devices).into_iter().partition(which);
        self.devices = left;
        taken
    }

    /// A place with no device left is done.
    fn close_place(&mut self, place: PlaceId) {
        if !self.devices.iter().any(|device| device.place == place) {
            self.plan.done(place);
        }
    }
}

impl Device {
    fn session(&self) -> Option<SessionId> {
        match self.stage {
            Stage::Ringing { session, .. } => Some(session),
            Stage::Opening { .. } => None,
        }
    }

    /// Its ringing has ended; a session that is not over yet is given up.
    fn end(
        self,
        outcome: RingOutcome,
        give_up: Option<Reason>,
        journal: &mut Journal,
        aftermath: &mut Aftermath,
        hands: &mut Hands<'_>,
    ) {
        let session = self.session();
        aftermath.end_ringing(self.leg, session, outcome, give_up, journal, hands);
    }
}

impl Call {
    /// Rings the customer's plan from its beginning.
    pub(super) fn ring(&mut self, hands: &mut Hands<'_>) {
        let plan = Plan::new(&self.customer.plan, hands.now.mono);
        self.ring_on(plan, hands);
    }

    /// Rings whoever is left of a plan.
    pub(super) fn ring_on(&mut self, plan: Plan, hands: &mut Hands<'_>) {
        self.state = State::Ringing(Ringing { plan, devices: Vec::new() });
        self.ringback(hands);
        self.ring_next(hands);
    }

    /// Starts whoever is to be rung now; if nobody rings and nobody is left, says so.
    fn ring_next(&mut self, hands: &mut Hands<'_>) {
        let (id, local) = (self.id, self.local);
        let State::Ringing(ringing) = &mut self.state else { return };
        while let Some((place, receptionist)) = ringing.plan.start_next(hands.now.mono) {
            let room = DEVICES_PER_CALL.saturating_sub(ringing.devices.len()).min(DEVICES_PER_RECEPTIONIST);
            for binding in hands.world.devices(receptionist).into_iter().take(room) {
                // The device is reached over the address of ours that it registered with.
                let at = binding.flow.local.ip();
                let at = if at.is_unspecified() { local } else { at };
                let her = hands.world.directory().receptionist(receptionist);
                let protection = security::of_device(hands.config, her, &self.customer, &binding.flow);
                let (signalling, browser) = (binding.flow.remote.ip(), binding.flow.transport.is_websocket());
                let end = End::Receptionist;
                let leg = Leg::open(id, Towards { local: at, signalling, end, protection, browser }, hands);
                let until = hands.now.mono + OPEN_WITHIN;
                let stage = Stage::Opening { binding: Box::new(binding), until };
                ringing.devices.push(Device { leg, place, receptionist, stage });
            }
            ringing.close_place(place);
        }
        if ringing.plan.is_over(hands.now.mono) {
            self.nobody_there(hands);
        }
    }

    /// A device's leg has ports: it rings.
    pub(super) fn ring_device(
        &mut self,
        leg: LegId,
        rtp: SocketAddr,
        browser: Option<Box<Browser>>,
        hands: &mut Hands<'_>,
    ) {
        let prefer = self.caller_codec();
        let (from, headers) = (self.shown_party(), self.called_party());
        let State::Ringing(ringing) = &mut self.state else { return };
        let Some(device) = ringing.devices.iter_mut().find(|device| device.leg.id == leg) else { return };
        let Stage::Opening { binding, .. } = &device.stage else { return };
        let to = binding.clone();
        device.leg.opened(rtp, browser);
        let sdp = match device.leg.offer(prefer, hands) {
            Ok(sdp) => sdp,
            Err(refusal) => return self.device_cannot_be_offered(leg, refusal, hands),
        };
        let session = hands.open_session(self.id);
        device.stage = Stage::Ringing { session, binding: to.clone() };
        hands.sip(Command::Invite { session, to, from, sdp: Some(sdp), headers });
        self.journal.write(hands, Event::Rung { leg, receptionist: device.receptionist });
    }

    /// What is demanded of a device's media cannot be had over its signalling: it is not rung, and the history says so.
    fn device_cannot_be_offered(&mut self, leg: LegId, refusal: Refusal, hands: &mut Hands<'_>) {
        let State::Ringing(ringing) = &mut self.state else { return };
        for device in ringing.take(|device| device.leg.id == leg) {
            self.journal.write(hands, Event::Rung { leg, receptionist: device.receptionist });
            let outcome = RingOutcome::Failed { status: refusal.status() };
            self.journal.write(hands, Event::RingEnded { leg, outcome });
            self.aftermath.close(device.leg, hands);
            ringing.close_place(device.place);
        }
        self.ring_next(hands);
    }

    /// A device cannot be rung for want of a port: as if it were not there.
    pub(super) fn device_has_no_leg(&mut self, leg: LegId, hands: &mut Hands<'_>) {
        let State::Ringing(ringing) = &mut self.state else { return };
        let opening = |device: &Device| device.leg.id == leg && device.session().is_none();
        for device in ringing.take(opening) {
            ringing.close_place(device.place);
        }
        self.ring_next(hands);
    }

    /// A device said no, or could not be reached.
    pub(super) fn device_refused(&mut self, session: SessionId, status: u16, hands: &mut Hands<'_>) {
        let State::Ringing(ringing) = &mut self.state else { return };
        let Some(place) = ringing.place_of(session) else { return };
        if status == NOT_ACCEPTABLE_HERE && self.ring_otherwise(session, hands) {
            return;
        }
        let State::Ringing(ringing) = &mut self.state else { return };
        let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
        for device in ringing.take(|device| device.session() == Some(session)) {
            device.end(RingOutcome::Failed { status }, None, journal, aftermath, hands);
        }
        if status >= 600 {
            for device in ringing.take(|device| device.place == place) {
                let outcome = RingOutcome::Failed { status };
                device.end(outcome, Some(reasons::declined_elsewhere()), journal, aftermath, hands);
            }
        }
        ringing.close_place(place);
        self.ring_next(hands);
    }

    /// A device does not take how we offered encryption: it is asked again in another way, if there is one. It does not
    /// count as having rung, and its history does not say so.
    fn ring_otherwise(&mut self, before: SessionId, hands: &mut Hands<'_>) -> bool {
        let prefer = self.caller_codec();
        let (from, headers) = (self.shown_party(), self.called_party());
        let State::Ringing(ringing) = &mut self.state else { return false };
        let Some(device) = ringing.devices.iter_mut().find(|device| device.session() == Some(before)) else {
            return false;
        };
        let Some(sdp) = device.leg.offer_otherwise(prefer, hands) else { return false };
        let Stage::Ringing { binding, .. } = &device.stage else { return false };
        let to = binding.clone();
        hands.forget_session(before);
        let session = hands.open_session(self.id);
        device.stage = Stage::Ringing { session, binding: to.clone() };
        hands.sip(Command::Invite { session, to, from, sdp: Some(sdp), headers });
        true
    }

    /// A device answered. If its answer can be taken, it has won.
    pub(super) fn device_answered(&mut self, session: SessionId, sdp: Option<&Bytes>, hands: &mut Hands<'_>) {
        let State::Ringing(ringing) = &mut self.state else { return };
        let winner = ringing.devices.iter_mut().find(|device| device.session() == Some(session));
        let accepted = winner.map_or(Err(Refusal::NoAudio), |device| device.leg.accept_final(sdp, hands));
        let Some(winner) = ringing.take(|device| device.session() == Some(session)).pop() else { return };
        let Err(refusal) = accepted else { return self.taken_by(winner, session, hands) };
        let (journal, aftermath, place) = (&mut self.journal, &mut self.aftermath, winner.place);
        let outcome = RingOutcome::Failed { status: refusal.status() };
        journal.write(hands, Event::RingEnded { leg: winner.leg.id, outcome });
        let reason = security::reason(refusal).unwrap_or_else(reasons::incompatible);
        aftermath.hang_up(session, reason, hands);
        aftermath.close(winner.leg, hands);
        ringing.close_place(place);
        self.ring_next(hands);
    }

    /// A device changes its description while it rings (RFC 3311), for early media that nobody hears: it is answered, and
    /// counts when she takes the call.
    pub(super) fn device_reoffers(&mut self, session: SessionId, sdp: Option<&Bytes>, hands: &mut Hands<'_>) {
        let prefer = self.caller_codec();
        let State::Ringing(ringing) = &mut self.state else { return };
        let device = ringing.devices.iter_mut().find(|device| device.session() == Some(session));
        let (Some(device), Some(sdp)) = (device, sdp) else {
            return refuse_offer(session, Refusal::NoAudio, hands);
        };
        match take_offer(&mut device.leg, sdp, prefer, hands) {
            Ok(sdp) => hands.sip(Command::Accept { session, sdp }),
            Err(refusal) => refuse_offer(session, refusal, hands),
        }
    }

    /// A device says that it can show whether it is recorded.
    pub(super) fn device_is_record_aware(&mut self, session: SessionId) -> Option<()> {
        let State::Ringing(ringing) = &mut self.state else { return None };
        let device = ringing.devices.iter_mut().find(|device| device.session() == Some(session))?;
        device.leg.is_record_aware();
        Some(())
    }

    /// Everybody else stops ringing.
    fn taken_by(&mut self, winner: Device, session: SessionId, hands: &mut Hands<'_>) {
        // Any state will do until the next line: nothing is handled in between.
        let State::Ringing(Ringing { mut plan, devices }) = std::mem::replace(&mut self.state, State::Asking)
        else {
            return;
        };
        for device in devices {
            plan.done(device.place);
            let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
            let reason = Some(reasons::taken_elsewhere());
            device.end(RingOutcome::TakenElsewhere, reason, journal, aftermath, hands);
        }
        plan.done(winner.place);
        let known = hands.world.directory().receptionist(winner.receptionist);
        let standing = known.is_some_and(|known| known.standing_consent.is_some());
        let person = Person::Receptionist { id: winner.receptionist, standing };
        let attendant = Attendant::new(winner.leg, session, person, self.customer.language, hands);
        self.state = State::Taken { attendant: Box::new(attendant), plan };
        self.tell_security(Side::Attendant, hands);
        self.attendant_joins(hands);
    }

    /// Whoever rang for her time is given up, and legs that never opened.
    pub(super) fn ring_overdue(&mut self, hands: &mut Hands<'_>) {
        let now = hands.now.mono;
        let State::Ringing(ringing) = &mut self.state else { return };
        let (journal, aftermath) = (&mut self.journal, &mut self.aftermath);
        while let Some(place) = ringing.plan.time_out(now) {
            for device in ringing.take(|device| device.place == place) {
                device.end(RingOutcome::TimedOut, Some(reasons::no_answer()), journal, aftermath, hands);
            }
        }
        for device in
            ringing.take(|device| matches!(device.stage, Stage::Opening { until, .. } if until <= now))
        {
            let place = device.place;
            device.end(RingOutcome::TimedOut, None, journal, aftermath, hands);
            ringing.close_place(place);
        }
        self.ring_next(hands);
    }

    /// The call ends while devices ring.
    pub(super) fn stop_ringing(
        &mut self,
        ringing: Ringing,
        outcome: &RingOutcome,
        why: &Reason,
        hands: &mut Hands<'_>,
    ) {
        for device in ringing.devices {
            let reason = Some(why.clone());
            device.end(outcome.clone(), reason, &mut self.journal, &mut self.aftermath, hands);
        }
    }

    fn caller_codec(&self) -> Option<Codec> {
        self.caller.as_ref().and_then(Leg::codec)
    }

    /// What the receptionist's phone shows: for whom she answers, and who rings. A withheld number is not shown.
    pub(super) fn shown_party(&self) -> FromParty {
        match &self.identity.caller {
            Caller::Known { address, .. } => {
                FromParty::Known { display: Some(self.customer.name.clone()), user: address.clone() }
            }
            Caller::Withheld | Caller::Unknown => FromParty::Anonymous,
        }
    }

    /// For whom she answers also when nothing may be said in From (RFC 7315 §4.2).
    pub(super) fn called_party(&self) -> Vec<(String, Pii<String>)> {
        let uri = format!("<tel:{}>", self.identity.did.expose().as_str());
        vec![("P-Called-Party-ID".to_owned(), Pii::new(uri))]
    }
}

impl Ringing {
    fn place_of(&self, session: SessionId) -> Option<PlaceId> {
        self.devices.iter().find(|device| device.session() == Some(session)).map(|device| device.place)
    }
}
