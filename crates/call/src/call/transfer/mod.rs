//! A receptionist gives the call away, or asks somebody first: transfer, consultation, three together.
//!
//! ```text
//!             REFER, *1, second call          answered
//!   Bridged ─────────────────────────▶ Giving ─────────▶ Consulting ──*3──▶ Three
//!      ▲                                 │  │ (put        │  │              │
//!      │      failed, *0, hung up        │  │  through)   │  │ *2, hung up, │ one of them
//!      └─────────────────────────────────┘  ▼             ▼  ▼ Replaces     ▼ leaves
//!                                          Taken ───────▶ Bridged ◀─────────┘
//! ```
//!
//! While she is not with the caller, she stands *aside* for the consent gate: the epoch ends, nothing is recorded, and
//! the caller talks to nobody. Whoever takes over joins through the same state as a receptionist who has answered
//! (`Taken`): whoever must be asked is asked before anybody hears the other.
//!
//! * this file: what belongs to each state, and how it begins.
//! * [`reaching`]: the lines to whoever is wanted.
//! * [`outcome`]: put through, back again, failed.
//! * [`three`]: all three together.
//! * [`pick_up`]: a colleague takes the call by INVITE with Replaces.
//! * [`asked`]: REFER, a second call, keys: how a receptionist says what she wants.

mod asked;
mod outcome;
mod pick_up;
mod reaching;
mod three;

use std::time::Instant;

use vorzimmer_consent::Input;
use vorzimmer_sdp::Description;
use vorzimmer_sip::ua::{ReferId, SessionId};
use vorzimmer_types::event::{Event, TransferBy};
use vorzimmer_types::{LegId, PartyId, ReceptionistId};

pub(crate) use pick_up::PickUp;

use super::{Attendant, Call, State};
use crate::aim::Target;
use crate::api::MediaCommand;
use crate::hands::Hands;
use crate::hold::Side;
use crate::leg::Leg;
use crate::lines::{Begun, Lines};

/// Somebody is being reached for the caller.
pub(crate) struct Giving {
    /// Who gives the call away; none once she has hung up.
    pub(super) giver: Option<Attendant>,
    /// Her again: who is rung if nobody is reached and she has hung up.
    by: ReceptionistId,
    manner: Manner,
    lines: Lines,
    subscription: Option<Subscription>,
    pub(super) second: Option<Box<Second>>,
}

/// She talks to whoever was reached, the caller waits.
pub(crate) struct Consulting {
    pub(super) giver: Attendant,
    pub(super) guest: Attendant,
    by: ReceptionistId,
    pub(super) second: Option<Box<Second>>,
}

/// All three are on the call; they hear each other once nobody is being asked.
pub(crate) struct Three {
    pub(super) attendant: Attendant,
    pub(super) guest: Attendant,
    /// Nobody is asked any more: they hear each other.
    pub(super) joined: bool,
}

/// What happens when somebody answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// The caller is put through at once.
    Through,
    /// The receptionist talks first.
    Consult,
}

/// Whom to tell what came of a REFER.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    session: SessionId,
    refer: ReferId,
}

/// The second call of a receptionist's phone, by which she talks to whoever was reached.
pub(super) struct Second {
    pub(super) session: SessionId,
    pub(super) leg: Leg,
    /// Until it is answered.
    offer: Option<Description>,
}

/// How a transfer begins.
struct Wanted {
    target: Target,
    manner: Manner,
    how: TransferBy,
    second: Option<Box<Second>>,
}

impl Giving {
    pub(super) fn rings(&self, session: SessionId) -> bool {
        self.lines.rings(session)
    }

    /// The leg that rings in this session.
    pub(super) fn leg_of(&self, session: SessionId) -> Option<LegId> {
        self.lines.leg_of(session)
    }

    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.lines.next_wake()
    }
}

impl Call {
    /// She steps aside, and somebody is being reached. If nobody can be, the status that says so and what came with the
    /// wish; then the talk goes on as if nothing had been asked.
    fn reach(&mut self, wanted: Wanted, hands: &mut Hands<'_>) -> Result<(), (u16, Option<Box<Second>>)> {
        let Wanted { target, manner, how, second } = wanted;
        let State::Bridged { attendant, .. } = &self.state else { return Err((480, second)) };
        let (party, person) = (attendant.leg.party, attendant.person);
        let Some(by) = person.receptionist() else { return Err((403, second)) };
        let begun = Begun { call: self.id, customer: &self.customer, local: self.local, came_by: self.trunk };
        let lines = match Lines::begin(&begun, &target, hands) {
            Ok(lines) => lines,
            Err(status) => return Err((status, second)),
        };
        self.journal.write(hands, Event::TransferAsked { by: party, to: target.aim(), how });
        let State::Bridged { attendant, .. } = std::mem::replace(&mut self.state, State::Asking) else {
            return Err((480, second));
        };
        let giver = Some(*attendant);
        self.state = State::Giving(Box::new(Giving { giver, by, manner, lines, subscription: None, second }));
        hands.media(MediaCommand::Unbridge { call: self.id });
        self.step_aside(party, hands);
        for side in [Side::Caller, Side::Attendant] {
            self.settle_sound(side, hands);
        }
        Ok(())
    }

    /// Nothing is recorded from here on; whoever holds is asked for it anew when they are back.
    fn step_aside(&mut self, party: PartyId, hands: &mut Hands<'_>) {
        self.consent(Input::StepAside { party }, hands);
        let parties = self.gate.machine().parties().iter();
        let holding: Vec<PartyId> =
            parties.filter(|party| party.is_holding()).map(|party| party.id()).collect();
        for party in holding {
            self.consent(Input::Resume { party }, hands);
        }
        self.together(Vec::new(), hands);
    }

    /// Who hears whom from now on.
    pub(super) fn together(&mut self, parties: Vec<PartyId>, hands: &mut Hands<'_>) {
        let epoch = self.gate.epoch();
        self.journal.write(hands, Event::Together { epoch, parties });
    }
}
