//! The lines to somebody whom a call is to be put through to: all devices of a colleague at once, or the ways to a
//! contact one after the other. The first answer wins.
//!
//! Knows nothing of the call around it but its id; what an answer or a failure leads to is `call::transfer`'s.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use vorzimmer_sdp::{Browser, Codec};
use vorzimmer_sip::carrier::{Calling, Placing, Pulse};
use vorzimmer_sip::ua::{Binding, Command, Dialled, FromParty, Reason, SessionId, WayOut};
use vorzimmer_types::directory::{Customer, Reach};
use vorzimmer_types::event::{Event, RingOutcome};
use vorzimmer_types::srtp::SrtpPolicy;
use vorzimmer_types::{CallId, ContactId, E164, LegId, Pii, TrunkId};

use crate::aftermath::Aftermath;
use crate::aim::{Person, Target};
use crate::config::End;
use crate::hands::{Hands, Journal};
use crate::leg::{Leg, NOT_ACCEPTABLE_HERE, Towards};
use crate::limits::{DEVICES_PER_RECEPTIONIST, OPEN_WITHIN, TRANSFER_RINGS_FOR};
use crate::{routes, security};

/// The lines that are rung now, and what is left to be tried.
pub(crate) struct Lines {
    call: CallId,
    lines: Vec<Line>,
    /// Further ways to a contact.
    left: VecDeque<Pii<Reach>>,
    /// The way that is being tried, and the trunks that are left for it.
    way: Option<(Pii<Reach>, Vec<TrunkId>)>,
    came_by: TrunkId,
    contact: Option<ContactId>,
    /// What the customer says about encrypted media.
    srtp: SrtpPolicy,
    /// When those that ring have rung for long enough.
    until: Instant,
    /// What the last one that failed said.
    status: u16,
}

struct Line {
    leg: Leg,
    person: Person,
    stage: Stage,
}

enum Stage {
    /// Its leg is being opened.
    Opening { to: Callee, until: Instant },
    /// It rings; whether the other side has said so. What it was told, should it want another description.
    Ringing { session: SessionId, rang: bool, told: Told, prefer: Option<Codec> },
}

/// What somebody who is rung is told, but for the description.
enum Told {
    Inside { to: Box<Binding>, from: FromParty, headers: Vec<(String, Pii<String>)> },
    Outside(Box<Dialled>),
}

impl Told {
    fn command(&self, session: SessionId, sdp: Bytes) -> Command {
        match self {
            Self::Inside { to, from, headers } => {
                let (to, from, headers) = (to.clone(), from.clone(), headers.clone());
                Command::Invite { session, to, from, sdp: Some(sdp), headers }
            }
            Self::Outside(to) => Command::Dial { session, to: to.clone(), sdp },
        }
    }
}

enum Callee {
    Device(Box<Binding>),
    Outside(Box<Outside>),
}

/// Somebody whom a trunk is to reach.
struct Outside {
    trunk: TrunkId,
    /// The trunk's configured name.
    name: String,
    target: Pii<String>,
}

/// Where lines begin.
pub(crate) struct Begun<'a> {
    pub(crate) call: CallId,
    pub(crate) customer: &'a Customer,
    /// Our address towards the caller.
    pub(crate) local: IpAddr,
    /// The trunk that the call came by.
    pub(crate) came_by: TrunkId,
}

/// What those who are rung are shown.
pub(crate) struct Shown {
    /// To a colleague: for whom she answers, and who rings.
    pub(crate) inside: FromParty,
    pub(crate) inside_headers: Vec<(String, Pii<String>)>,
    /// To anybody outside: the number of ours that was rung.
    pub(crate) behalf: Pii<E164>,
    /// And who rang it, if the trunk shows that.
    pub(crate) caller: Calling,
    /// The codec that the caller is sent.
    pub(crate) prefer: Option<Codec>,
}

/// Somebody has answered.
pub(crate) struct Answered {
    pub(crate) leg: Leg,
    pub(crate) session: SessionId,
    pub(crate) person: Person,
}

/// What is known of the lines after something happened to one of them.
pub(crate) enum Progress {
    /// Others still ring.
    Ringing,
    /// Nobody is left; the status says why.
    Over(u16),
    /// This one has won.
    Won(Box<Answered>),
}

impl Lines {
    /// Begins to reach somebody. The status that says why, if nobody can be: nothing has happened then.
    pub(crate) fn begin(begun: &Begun<'_>, target: &Target, hands: &mut Hands<'_>) -> Result<Self, u16> {
        let &Begun { call, customer, local, came_by } = begun;
        let mut lines = Self {
            call,
            lines: Vec::new(),
            left: VecDeque::new(),
            way: None,
            came_by,
            contact: None,
            srtp: customer.srtp,
            until: hands.now.mono + TRANSFER_RINGS_FOR,
            status: 480,
        };
        match target {
            Target::Receptionist(id) => {
                let devices = hands.world.devices(*id);
                for binding in devices.into_iter().take(DEVICES_PER_RECEPTIONIST) {
                    let known = hands.world.directory().receptionist(*id);
                    let standing = known.is_some_and(|known| known.standing_consent.is_some());
                    let protection = security::of_device(hands.config, known, customer, &binding.flow);
                    let at = binding.flow.local.ip();
                    let at = if at.is_unspecified() { local } else { at };
                    let (signalling, browser) =
                        (binding.flow.remote.ip(), binding.flow.transport.is_websocket());
                    let person = Person::Receptionist { id: *id, standing };
                    let to = Callee::Device(Box::new(binding));
                    let end = End::Receptionist;
                    let towards = Towards { local: at, signalling, end, protection, browser };
                    lines.open(to, person, towards, hands);
                }
            }
            Target::Outside { contact, ways } => {
                lines.contact = *contact;
                lines.left = ways.iter().cloned().collect();
                lines.next_way(hands);
            }
        }
        if lines.lines.is_empty() { Err(lines.status) } else { Ok(lines) }
    }

    /// Whether this session is one of them.
    pub(crate) fn rings(&self, session: SessionId) -> bool {
        self.lines.iter().any(|line| line.session() == Some(session))
    }

    /// The leg that rings in this session.
    pub(crate) fn leg_of(&self, session: SessionId) -> Option<LegId> {
        self.lines.iter().find(|line| line.session() == Some(session)).map(|line| line.leg.id)
    }

    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let opening = self.lines.iter().filter_map(|line| match line.stage {
            Stage::Opening { until, .. } => Some(until),
            Stage::Ringing { .. } => None,
        });
        opening.chain([self.until]).min()
    }

    /// A leg has ports: its line rings. False if it is none of these.
    pub(crate) fn opened(
        &mut self,
        leg: LegId,
        rtp: SocketAddr,
        browser: Option<Box<Browser>>,
        shown: &Shown,
        journal: &mut Journal,
        hands: &mut Hands<'_>,
    ) -> bool {
        let Some(line) = self.lines.iter_mut().find(|line| line.leg.id == leg) else { return false };
        let Stage::Opening { to, .. } = &line.stage else { return true };
        line.leg.opened(rtp, browser);
        // What may not be offered there for want of encryption is given up when its time to open is over.
        let Ok(sdp) = line.leg.offer(shown.prefer, hands) else { return true };
        let session = hands.open_session(self.call);
        let (told, event) = match (to, line.person) {
            (Callee::Outside(to), _) => {
                let Outside { trunk, name, target } = &**to;
                let (behalf, caller) = (shown.behalf.clone(), shown.caller.clone());
                let call = Placing { target: target.clone(), behalf, caller };
                let event = Event::ContactRung { leg, contact: self.contact, trunk: Some(name.clone()) };
                (Told::Outside(Box::new(Dialled { trunk: *trunk, call })), event)
            }
            (Callee::Device(to), person) => {
                let receptionist = person.receptionist().unwrap_or(to.receptionist);
                let (to, from, headers) = (to.clone(), shown.inside.clone(), shown.inside_headers.clone());
                (Told::Inside { to, from, headers }, Event::Rung { leg, receptionist })
            }
        };
        hands.sip(told.command(session, sdp));
        line.stage = Stage::Ringing { session, rang: false, told, prefer: shown.prefer };
        journal.write(hands, event);
        true
    }

    /// A leg could not be opened: there is nothing to close.
    pub(crate) fn failed(&mut self, leg: LegId, hands: &mut Hands<'_>) -> Progress {
        let before = self.lines.len();
        self.lines.retain(|line| line.leg.id != leg || line.leg.is_open());
        if self.lines.len() == before {
            return Progress::Ringing;
        }
        self.status = 503;
        self.go_on(hands)
    }

    /// One is rung: whatever comes of it now, its trunk works.
    pub(crate) fn rang(&mut self, session: SessionId) {
        for line in &mut self.lines {
            if let Stage::Ringing { session: known, rang, .. } = &mut line.stage
                && *known == session
            {
                *rang = true;
            }
        }
    }

    /// One said no, or could not be reached: the next trunk is tried if that was this one's fault, else the next way. A 6xx
    /// ends all lines to that person (RFC 3261 §21.6).
    pub(crate) fn refused(
        &mut self,
        session: SessionId,
        status: u16,
        journal: &mut Journal,
        aftermath: &mut Aftermath,
        hands: &mut Hands<'_>,
    ) -> Progress {
        if status == NOT_ACCEPTABLE_HERE && self.ring_otherwise(session, hands) {
            return Progress::Ringing;
        }
        self.status = status;
        let outcome = RingOutcome::Failed { status };
        for line in self.take(|line| line.session() == Some(session)) {
            if !routes::is_trunks_fault(status) || line.has_rung() {
                self.way = None;
            }
            line.end(&outcome, None, journal, aftermath, hands);
        }
        if status >= 600 {
            (self.way, self.left) = (None, VecDeque::new());
            self.give_up(&outcome, &crate::reasons::declined_elsewhere(), journal, aftermath, hands);
        }
        self.go_on(hands)
    }

    /// Somebody does not take how we offered encryption, and is asked again in another way, if there is one.
    fn ring_otherwise(&mut self, before: SessionId, hands: &mut Hands<'_>) -> bool {
        let Some(line) = self.lines.iter_mut().find(|line| line.session() == Some(before)) else {
            return false;
        };
        let Stage::Ringing { session, told, prefer, .. } = &mut line.stage else { return false };
        let Some(sdp) = line.leg.offer_otherwise(*prefer, hands) else { return false };
        hands.forget_session(before);
        *session = hands.open_session(self.call);
        hands.sip(told.command(*session, sdp));
        true
    }

    /// One answered. If its answer can be taken, the others stop ringing.
    pub(crate) fn answered(
        &mut self,
        session: SessionId,
        sdp: Option<&Bytes>,
        journal: &mut Journal,
        aftermath: &mut Aftermath,
        hands: &mut Hands<'_>,
    ) -> Progress {
        let line = self.lines.iter_mut().find(|line| line.session() == Some(session));
        let accepted = line.is_some_and(|line| line.leg.accept(sdp, hands).is_ok());
        let Some(winner) = self.take(|line| line.session() == Some(session)).pop() else {
            return Progress::Ringing;
        };
        if !accepted {
            self.status = 488;
            self.way = None;
            let outcome = RingOutcome::Failed { status: 488 };
            journal.write(hands, Event::RingEnded { leg: winner.leg.id, outcome });
            aftermath.hang_up(session, crate::reasons::incompatible(), hands);
            aftermath.close(winner.leg, hands);
            return self.go_on(hands);
        }
        self.give_up(
            &RingOutcome::TakenElsewhere,
            &crate::reasons::taken_elsewhere(),
            journal,
            aftermath,
            hands,
        );
        Progress::Won(Box::new(Answered { leg: winner.leg, session, person: winner.person }))
    }

    /// What rang for its time is given up, and legs that never opened; further ways are tried.
    pub(crate) fn overdue(
        &mut self,
        journal: &mut Journal,
        aftermath: &mut Aftermath,
        hands: &mut Hands<'_>,
    ) -> Progress {
        let now = hands.now.mono;
        if self.until <= now {
            self.status = 408;
            self.way = None;
            let (outcome, why) = (RingOutcome::TimedOut, crate::reasons::no_answer());
            self.give_up(&outcome, &why, journal, aftermath, hands);
        }
        for line in self.take(|line| matches!(line.stage, Stage::Opening { until, .. } if until <= now)) {
            self.status = 503;
            line.end(&RingOutcome::TimedOut, None, journal, aftermath, hands);
        }
        self.go_on(hands)
    }

    /// Nobody is wanted any more.
    pub(crate) fn give_up(
        &mut self,
        outcome: &RingOutcome,
        why: &Reason,
        journal: &mut Journal,
        aftermath: &mut Aftermath,
        hands: &mut Hands<'_>,
    ) {
        for line in std::mem::take(&mut self.lines) {
            line.end(outcome, Some(why.clone()), journal, aftermath, hands);
        }
    }

    fn go_on(&mut self, hands: &mut Hands<'_>) -> Progress {
        if self.lines.is_empty() {
            self.next_way(hands);
        }
        if self.lines.is_empty() { Progress::Over(self.status) } else { Progress::Ringing }
    }

    /// The next trunk for this way to somebody outside, or the next way, as far as there is one.
    fn next_way(&mut self, hands: &mut Hands<'_>) {
        loop {
            if let Some((reach, mut trunks)) = self.way.take() {
                if let Some((trunk, way)) = next_trunk(&mut trunks, hands) {
                    let target = Pii::new(reach.expose().as_str().to_owned());
                    self.way = Some((reach, trunks));
                    return self.open_outside(target, trunk, way, hands);
                }
                self.status = 503;
            }
            let Some(reach) = self.left.pop_front() else { return };
            let trunks = hands.config.routes.of(reach.expose().as_str(), self.came_by);
            self.way = Some((reach, trunks));
        }
    }

    fn open_outside(&mut self, target: Pii<String>, trunk: TrunkId, way: WayOut, hands: &mut Hands<'_>) {
        let WayOut { name, flow, .. } = way;
        self.until = hands.now.mono + TRANSFER_RINGS_FOR;
        let protection = security::of_trunk(hands.config, trunk, self.srtp, &flow);
        let (local, signalling) = (flow.local.ip(), flow.remote.ip());
        let towards = Towards { local, signalling, end: End::Trunk(trunk), protection, browser: false };
        let to = Callee::Outside(Box::new(Outside { trunk, name, target }));
        self.open(to, Person::Contact { id: self.contact }, towards, hands);
    }

    fn open(&mut self, to: Callee, person: Person, towards: Towards, hands: &mut Hands<'_>) {
        let leg = Leg::open(self.call, towards, hands);
        let until = hands.now.mono + OPEN_WITHIN;
        self.lines.push(Line { leg, person, stage: Stage::Opening { to, until } });
    }

    fn take(&mut self, which: impl Fn(&Line) -> bool) -> Vec<Line> {
        let (taken, left) = std::mem::take(&mut self.lines).into_iter().partition(which);
        self.lines = left;
        taken
    }
}

impl Line {
    fn session(&self) -> Option<SessionId> {
        match self.stage {
            Stage::Ringing { session, .. } => Some(session),
            Stage::Opening { .. } => None,
        }
    }

    fn has_rung(&self) -> bool {
        matches!(self.stage, Stage::Ringing { rang: true, .. })
    }

    /// Its ringing has ended; a session that is not over yet is given up.
    fn end(
        self,
        outcome: &RingOutcome,
        give_up: Option<Reason>,
        journal: &mut Journal,
        aftermath: &mut Aftermath,
        hands: &mut Hands<'_>,
    ) {
        let session = self.session();
        aftermath.end_ringing(self.leg, session, outcome.clone(), give_up, journal, hands);
    }
}

/// Takes the first of these trunks that takes calls now; one that is down only if there is no other.
fn next_trunk(trunks: &mut Vec<TrunkId>, hands: &Hands<'_>) -> Option<(TrunkId, WayOut)> {
    let way = |trunk: &TrunkId| hands.world.way_out(*trunk);
    trunks.retain(|trunk| way(trunk).is_some());
    let is_up = |trunk: &TrunkId| way(trunk).is_some_and(|way| way.pulse != Pulse::Down);
    let at = trunks.iter().position(is_up).unwrap_or(0);
    let trunk = (at < trunks.len()).then(|| trunks.remove(at))?;
    Some((trunk, way(&trunk)?))
}
