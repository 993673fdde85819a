//! The call record: what an operator, a receptionist and a customer may read about one call, folded from its events.

use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::consent::{Epoch, Policy, Receipt, Role};
use crate::event::{Caller, EndedBy, Event, EventRecord, Hop, RecordingResult, RingOutcome};
use crate::srtp::Security;
use crate::{
    CallId, ContactId, CustomerId, E164, LegId, PartyId, Pii, Quality, ReceptionistId, RecordingId,
    UnixMillis,
};

/// The version of [`CallRecord`]'s JSON. Readers refuse what they do not know.
pub const CALL_RECORD_VERSION: u32 = 1;

/// Everything that is known about one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// [`CALL_RECORD_VERSION`].
    pub version: u32,
    /// The call.
    pub call: CallId,
    /// Whose call.
    pub customer: Option<CustomerId>,
    /// The trunk it came over.
    pub trunk: String,
    /// The number of ours that was rung.
    #[serde(with = "crate::pii::sealed_option")]
    pub did: Option<Pii<E164>>,
    /// Who rang.
    pub caller: Caller,
    /// How the call came to us, most recent forwarding first.
    pub chain: Vec<Hop>,
    /// The recording policy that held.
    pub policy: Policy,
    /// When it was offered.
    pub offered_at: Option<UnixMillis>,
    /// When we answered.
    pub answered_at: Option<UnixMillis>,
    /// When caller and receptionist first heard each other.
    pub connected_at: Option<UnixMillis>,
    /// When it was over.
    pub ended_at: Option<UnixMillis>,
    /// What became of the call.
    pub disposition: Disposition,
    /// Who ended it.
    pub ended_by: Option<EndedBy>,
    /// Why it ended or was refused.
    pub why: String,
    /// What the caller's network gave as its cause, if it hung up or gave up.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// How the caller's leg was secured at last; none if it never had media.
    #[serde(default)]
    pub caller_security: Option<Security>,
    /// The receptionists' and contacts' legs, in the order they were rung.
    pub legs: Vec<LegRecord>,
    /// Who was on the call besides the caller, in the order they were connected.
    #[serde(default)]
    pub parties: Vec<PartyRecord>,
    /// Who heard whom, from when on.
    #[serde(default)]
    pub epochs: Vec<EpochRecord>,
    /// Each party's answers, in order.
    pub consent: Vec<Receipt>,
    /// The recordings, in order.
    pub recordings: Vec<RecordingRecord>,
    /// What each leg's media was like, in the order in which they ended.
    #[serde(default)]
    pub quality: Vec<LegQuality>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// Still going on, as far as the events tell.
    #[default]
    Open,
    /// We did not take it.
    Refused,
    /// The caller left before a receptionist took it.
    Abandoned,
    /// No receptionist took it.
    Unanswered,
    /// Somebody talked to the caller.
    Handled,
}

/// One receptionist's or contact's leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegRecord {
    /// The leg.
    pub leg: LegId,
    /// Whose device; none for somebody outside.
    pub receptionist: Option<ReceptionistId>,
    /// Which contact was called, if it was one.
    #[serde(default)]
    pub contact: Option<ContactId>,
    /// The trunk that it was called by, outside.
    #[serde(default)]
    pub trunk: Option<String>,
    /// When it began to ring.
    pub rung_at: UnixMillis,
    /// When it was connected.
    pub connected_at: Option<UnixMillis>,
    /// How the ringing ended, if not by a connection.
    pub outcome: Option<RingOutcome>,
    /// What it gave as its cause when it refused or hung up.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// How it was secured at last; none if it never had media.
    #[serde(default)]
    pub security: Option<Security>,
}

/// What one leg's media was like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegQuality {
    /// The leg.
    pub leg: LegId,
    /// Whose device; none is the caller's leg.
    pub receptionist: Option<ReceptionistId>,
    /// Loss, jitter, round trip, opinion.
    #[serde(flatten)]
    pub quality: Quality,
}

/// Somebody who talked to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyRecord {
    /// The name that receipts and epochs have for them.
    pub party: PartyId,
    /// What they are.
    pub role: Role,
    /// Which receptionist, if it is one.
    pub receptionist: Option<ReceptionistId>,
    /// Which contact, if it is one.
    pub contact: Option<ContactId>,
    /// When they were first connected.
    pub connected_at: UnixMillis,
    /// When they left, if others stayed.
    pub left_at: Option<UnixMillis>,
}

/// One company of people who heard each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Which: recordings and receipts name it.
    pub epoch: Epoch,
    /// Since when.
    pub from: UnixMillis,
    /// Who.
    pub parties: Vec<PartyId>,
}

/// One recording of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingRecord {
    /// Which; none if it never began.
    pub recording: Option<RecordingId>,
    /// Under which consent.
    #[serde(default)]
    pub epoch: Option<Epoch>,
    /// When it began.
    pub started_at: Option<UnixMillis>,
    /// How it ended; none while it runs.
    pub result: Option<RecordingResult>,
    /// Its length.
    pub duration_ms: u64,
    /// Gaps on each track, caller first.
    pub gaps: [u32; 2],
    /// Why it is not simply ok.
    pub why: String,
    /// Whether it was destroyed since, and why.
    pub destroyed: Option<String>,
}

impl LegRecord {
    /// A leg that begins to ring.
    fn new(leg: LegId, rung_at: UnixMillis) -> Self {
        let (receptionist, contact, trunk) = (None, None, None);
        let (connected_at, outcome, cause, security) = (None, None, None, None);
        Self { leg, receptionist, contact, trunk, rung_at, connected_at, outcome, cause, security }
    }
}

impl CallRecord {
    /// An empty record, before the first event.
    #[must_use]
    pub fn new(call: CallId) -> Self {
        Self {
            version: CALL_RECORD_VERSION,
            call,
            customer: None,
            trunk: String::new(),
            did: None,
            caller: Caller::Unknown,
            chain: Vec::new(),
            policy: Policy::Off,
            offered_at: None,
            answered_at: None,
            connected_at: None,
            ended_at: None,
            disposition: Disposition::Open,
            ended_by: None,
            why: String::new(),
            cause: None,
            caller_security: None,
            legs: Vec::new(),
            parties: Vec::new(),
            epochs: Vec::new(),
            consent: Vec::new(),
            recordings: Vec::new(),
            quality: Vec::new(),
        }
    }

    /// The record after all of a call's events, in any number; none if there are none.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a EventRecord>) -> Option<Self> {
        let mut record: Option<Self> = None;
        for event in events {
            record.get_or_insert_with(|| Self::new(event.call)).apply(event);
        }
        record
    }

    /// Takes in the next event.
    pub fn apply(&mut self, record: &EventRecord) {
        let at = record.at;
        self.customer = self.customer.or(record.customer);
        match &record.event {
            Event::Offered { trunk, did, caller, chain, policy } => {
                self.offered_at = Some(at);
                self.trunk.clone_from(trunk);
                self.did = Some(did.clone());
                self.caller = caller.clone();
                self.chain.clone_from(chain);
                self.policy = *policy;
            }
            Event::Refused { status, why } => {
                self.ended_at = Some(at);
                self.disposition = Disposition::Refused;
                self.why = format!("{status} {why}");
            }
            Event::Answered => self.answered_at = Some(at),
            Event::Consented { receipt } => self.consent.push(receipt.receipt.clone()),
            Event::Rung { leg, receptionist } => {
                self.legs.push(LegRecord { receptionist: Some(*receptionist), ..LegRecord::new(*leg, at) });
            }
            Event::ContactRung { leg, contact, trunk } => {
                let (contact, trunk) = (*contact, trunk.clone());
                self.legs.push(LegRecord { contact, trunk, ..LegRecord::new(*leg, at) });
            }
            Event::RingEnded { leg, outcome } => {
                if let Some(leg) = self.legs.iter_mut().find(|known| known.leg == *leg) {
                    leg.outcome = Some(outcome.clone());
                }
            }
            Event::Connected { leg, party, receptionist } => {
                self.connected(*leg, *party, Role::Receptionist, at);
                self.named(*party, Some(*receptionist), None);
            }
            Event::ContactConnected { leg, party, contact } => {
                self.connected(*leg, *party, Role::Contact, at);
                self.named(*party, None, *contact);
            }
            Event::Together { epoch, parties } => {
                self.epochs.push(EpochRecord { epoch: *epoch, from: at, parties: parties.clone() });
            }
            Event::Left { party } => {
                if let Some(known) = self.parties.iter_mut().find(|known| known.party == *party) {
                    known.left_at = Some(at);
                }
            }
            Event::Secured { leg, security } => {
                let hers = self.legs.iter_mut().find(|known| known.leg == *leg);
                let place = hers.map_or(&mut self.caller_security, |hers| &mut hers.security);
                *place = Some(*security);
            }
            Event::RecordingStarted { .. }
            | Event::RecordingFinished { .. }
            | Event::RecordingDestroyed { .. } => self.apply_recording(record),
            Event::Ended { by, why } => {
                self.ended_at = Some(at);
                self.ended_by = Some(*by);
                self.why.clone_from(why);
                self.disposition = match (self.connected_at, by) {
                    (Some(_), _) => Disposition::Handled,
                    (None, EndedBy::Caller) => Disposition::Abandoned,
                    (None, _) => Disposition::Unanswered,
                };
            }
            Event::Explained { leg, cause } => {
                let rung = self.legs.iter_mut().find(|known| Some(known.leg) == *leg);
                *rung.map_or(&mut self.cause, |rung| &mut rung.cause) = Some(*cause);
            }
            Event::Quality { leg, quality } => {
                let rung = self.legs.iter().find(|known| known.leg == *leg);
                let receptionist = rung.and_then(|leg| leg.receptionist);
                self.quality.push(LegQuality { leg: *leg, receptionist, quality: *quality });
            }
            Event::Prompted { .. }
            | Event::RecordingReencoded { .. }
            | Event::RecordingNotReencoded { .. }
            | Event::Held { .. }
            | Event::Resumed { .. }
            | Event::TransferAsked { .. }
            | Event::TransferRefused { .. }
            | Event::TransferEnded { .. } => {}
        }
    }

    /// Somebody and the caller hear each other, for the first time or again.
    fn connected(&mut self, leg: LegId, party: PartyId, role: Role, at: UnixMillis) {
        self.connected_at.get_or_insert(at);
        if let Some(leg) = self.legs.iter_mut().find(|known| known.leg == leg) {
            leg.connected_at.get_or_insert(at);
        }
        if !self.parties.iter().any(|known| known.party == party) {
            let (receptionist, contact, left_at) = (None, None, None);
            let connected_at = at;
            self.parties.push(PartyRecord { party, role, receptionist, contact, connected_at, left_at });
        }
    }

    fn named(&mut self, party: PartyId, receptionist: Option<ReceptionistId>, contact: Option<ContactId>) {
        if let Some(known) = self.parties.iter_mut().find(|known| known.party == party) {
            (known.receptionist, known.contact) = (receptionist, contact);
        }
    }

    fn apply_recording(&mut self, record: &EventRecord) {
        match &record.event {
            Event::RecordingStarted { recording, epoch } => self.recordings.push(RecordingRecord {
                recording: Some(*recording),
                epoch: Some(*epoch),
                started_at: Some(record.at),
                result: None,
                duration_ms: 0,
                gaps: [0; 2],
                why: String::new(),
                destroyed: None,
            }),
            Event::RecordingFinished { recording, result, duration_ms, gaps, why, .. } => {
                let entry = self.recording_entry(*recording);
                entry.result = Some(*result);
                entry.duration_ms = *duration_ms;
                entry.gaps = *gaps;
                entry.why.clone_from(why);
            }
            Event::RecordingDestroyed { recording, why } => {
                self.recording_entry(Some(*recording)).destroyed = Some(why.clone());
            }
            _ => {}
        }
    }

    fn recording_entry(&mut self, recording: Option<RecordingId>) -> &mut RecordingRecord {
        let at = self.recordings.iter().position(|known| known.recording == recording && recording.is_some());
        let at = at.unwrap_or_else(|| {
            self.recordings.push(RecordingRecord {
                recording,
                epoch: None,
                started_at: None,
                result: None,
                duration_ms: 0,
                gaps: [0; 2],
                why: String::new(),
                destroyed: None,
            });
            self.recordings.len() - 1
        });
        &mut self.recordings[at]
    }
}

#[cfg(test)]
mod tests {
    use super::{CallRecord, Disposition};
    use crate::event::{EndedBy, Event, EventRecord, RecordingResult};
    use crate::srtp::{Security, Suite};
    use crate::{CallId, LegId, ReceptionistId, UnixMillis};

    fn record(seq: u32, event: Event) -> EventRecord {
        EventRecord {
            call: CallId::from_bytes([7; 16]),
            seq,
            at: UnixMillis(i64::from(seq) * 1000),
            customer: None,
            event,
        }
    }

    #[test]
    fn a_blocked_recording_and_an_abandoned_call_are_told_apart_from_a_handled_one() {
        let events = [
            record(0, Event::Answered),
            record(
                1,
                Event::RecordingFinished {
                    recording: None,
                    result: RecordingResult::Blocked,
                    duration_ms: 0,
                    gaps: [0; 2],
                    pages: 0,
                    why: "the caller said no".into(),
                },
            ),
            record(2, Event::Ended { by: EndedBy::Caller, why: "hung up".into() }),
        ];
        let folded = CallRecord::fold(&events).expect("events");
        assert_eq!(folded.disposition, Disposition::Abandoned);
        assert_eq!(folded.recordings[0].result, Some(RecordingResult::Blocked));
        assert_eq!(folded.answered_at, Some(UnixMillis(0)));
    }

    #[test]
    fn each_leg_says_how_it_was_secured_at_last() {
        let (caller, hers) = (LegId::from_bytes([1; 16]), LegId::from_bytes([2; 16]));
        let dtls = Security::Dtls { suite: Some(Suite::AeadAes128Gcm) };
        let events = [
            record(0, Event::Secured { leg: caller, security: Security::Plain }),
            record(1, Event::Rung { leg: hers, receptionist: ReceptionistId::from_bytes([3; 16]) }),
            record(2, Event::Secured { leg: hers, security: Security::Plain }),
            record(3, Event::Secured { leg: hers, security: dtls }),
        ];
        let folded = CallRecord::fold(&events).expect("events");
        assert_eq!(folded.caller_security, Some(Security::Plain));
        assert_eq!(folded.legs[0].security, Some(dtls));
    }

    #[test]
    fn a_record_survives_its_json() {
        let folded = CallRecord::fold(&[record(0, Event::Answered)]).expect("events");
        let json = serde_json::to_string(&folded).expect("json");
        assert_eq!(serde_json::from_str::<CallRecord>(&json).expect("record"), folded);
    }
}
