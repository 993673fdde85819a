//! The lines to somebody whom a call is to be put through to: all devices of a colleague at once, or the ways to a
//! contact one after the other. The first answer wins.
//!
//! Knows nothing of the call around it but its id; what an answer or a failure leads to is `call::transfer`'s.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use vorzimmer_sdp::{Browser, Codec, Protection};
use vorzimmer_sip::ua::{Binding, Command, Dialled, FromParty, Reason, SessionId};
use vorzimmer_types::directory::{Customer, Reach};
use vorzimmer_types::event::{Event, RingOutcome};
use vorzimmer_types::{CallId, ContactId, LegId, Pii};

use crate::aftermath::Aftermath;
use crate::aim::{Person, Target};
use crate::config::{End, WayOut};
use crate::hands::{Hands, Journal};
use crate::leg::{Leg, Towards};
use crate::limits::{DEVICES_PER_RECEPTIONIST, OPEN_WITHIN, TRANSFER_RINGS_FOR};
use crate::security;

/// The lines that are rung now, and what is left to be tried.
pub(crate) struct Lines {
    call: CallId,
    lines: Vec<Line>,
    /// Further ways to a contact.
    left: VecDeque<Pii<Reach>>,
    way_out: Option<WayOut>,
    contact: Option<ContactId>,
    /// How the media of those outside is protected.
    protection: Option<Protection>,
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
    /// It rings.
    Ringing { session: SessionId },
}

enum Callee {
    Device(Box<Binding>),
    Outside(Box<Dialled>),
}

/// What those who are rung are shown.
pub(crate) struct Shown {
    /// To a colleague: for whom she answers, and who rings.
    pub(crate) inside: FromParty,
    /// To anybody outside: the number of ours that was rung.
    pub(crate) outside: FromParty,
    pub(crate) inside_headers: Vec<(String, Pii<String>)>,
    pub(crate) outside_headers: Vec<(String, Pii<String>)>,
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
    pub(crate) fn begin(
        call: CallId,
        target: &Target,
        customer: &Customer,
        local: IpAddr,
        way_out: Option<WayOut>,
        hands: &mut Hands<'_>,
    ) -> Result<Self, u16> {
        let mut lines = Self {
            call,
            lines: Vec::new(),
            left: VecDeque::new(),
            way_out,
            contact: None,
            protection: None,
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
                lines.protection =
                    way_out.map(|way| security::of_trunk(hands.config, way.trunk, customer, &way.flow));
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
        let (command, event) = match (to, line.person) {
            (Callee::Outside(to), _) => {
                let (to, from, headers) = (to.clone(), shown.outside.clone(), shown.outside_headers.clone());
                let command = Command::Dial { session, to, from, sdp, headers };
                (command, Event::ContactRung { leg, contact: self.contact })
            }
            (Callee::Device(to), person) => {
                let receptionist = person.receptionist().unwrap_or(to.receptionist);
                let (to, from, headers) = (to.clone(), shown.inside.clone(), shown.inside_headers.clone());
                let command = Command::Invite { session, to, from, sdp: Some(sdp), headers };
                (command, Event::Rung { leg, receptionist })
            }
        };
        line.stage = Stage::Ringing { session };
        hands.sip(command);
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

    /// One said no, or could not be reached. A 6xx ends all lines to that person (RFC 3261 §21.6).
    pub(crate) fn refused(
        &mut self,
        session: SessionId,
        status: u16,
        journal: &mut Journal,
        aftermath: &mut Aftermath,
        hands: &mut Hands<'_>,
    ) -> Progress {
        self.status = status;
        let outcome = RingOutcome::Failed { status };
        for line in self.take(|line| line.session() == Some(session)) {
            line.end(&outcome, None, journal, aftermath, hands);
        }
        if status >= 600 {
            self.left.clear();
            self.give_up(&outcome, &crate::reasons::declined_elsewhere(), journal, aftermath, hands);
        }
        self.go_on(hands)
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

    /// The next way to somebody outside, as far as there is one.
    fn next_way(&mut self, hands: &mut Hands<'_>) {
        let Some(reach) = self.left.pop_front() else { return };
        let (Some(WayOut { trunk, flow }), Some(protection)) = (self.way_out, self.protection) else {
            self.status = 503;
            return;
        };
        let target = Pii::new(reach.expose().as_str().to_owned());
        self.until = hands.now.mono + TRANSFER_RINGS_FOR;
        let to = Callee::Outside(Box::new(Dialled { trunk, target }));
        let (local, signalling) = (flow.local.ip(), flow.remote.ip());
        let towards = Towards { local, signalling, end: End::Trunk(trunk), protection, browser: false };
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
            Stage::Ringing { session } => Some(session),
            Stage::Opening { .. } => None,
        }
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
