//! The world behaves: user agent, media workers and recorder do what they are told, and it is written down.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vorzimmer_call::{Input, MediaCommand, MediaEvent, Output, PlayId, Sound, StopWhy};
use vorzimmer_consent::Permit;
use vorzimmer_sdp::Description;
use vorzimmer_sip::ua::{Command, Ending, Event as SipEvent, FromParty, Reason, SessionId};
use vorzimmer_types::consent::{Answer, Role};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::event::{Event, EventRecord, RecordingResult};
use vorzimmer_types::{CallId, LegId, PartyId, Quality, RecordingId};

use super::{FIRST_OF_OURS, Stage};
use crate::world::{CALLER, DID, flow};

/// How long each prompt is.
pub(super) fn prompt_seconds(name: &str) -> u64 {
    match name {
        "greeting-default" => 3,
        "consent-thanks" | "consent-declined" | "withdrawn" => 2,
        _ => 5,
    }
}

impl Stage {
    pub fn give(&mut self, input: Input) {
        match &input {
            Input::Media(MediaEvent::Opened { leg, .. }) => {
                self.opened.insert(*leg);
            }
            // Unless it was opened or closed before, it never was there.
            Input::Media(MediaEvent::OpenFailed { leg, .. })
                if !self.closed.contains(leg) && self.opened.insert(*leg) =>
            {
                self.open.remove(leg);
            }
            _ => {}
        }
        let sessions = &mut self.sessions;
        let mut next = || {
            *sessions += 1;
            SessionId(*sessions)
        };
        self.exchange.handle(input, self.now, &self.world, &mut next, &mut self.entropy);
        while let Some(output) = self.exchange.poll() {
            self.carry_out(output);
        }
    }

    pub(super) fn set_clock(&mut self, mono: Instant) {
        let passed = mono.saturating_duration_since(self.now.mono);
        self.now = self.now.after(passed);
    }

    pub fn later(&mut self, seconds: u64, input: Input) {
        self.ticket += 1;
        self.coming.insert((self.now.mono + Duration::from_secs(seconds), self.ticket), input);
    }

    pub(super) fn note(&mut self, what: String) {
        let at = self.now.mono.duration_since(self.start.mono).as_secs_f64();
        self.lines.push(format!("{at:.1} {what}"));
    }

    fn carry_out(&mut self, output: Output) {
        let printed = format!("{output:?}");
        for personal in [CALLER, DID, "Kanzlei", "192.0.2.9"] {
            let personal = personal.trim_start_matches('+');
            assert!(!printed.contains(personal), "what is printed tells nothing about people: {printed}");
        }
        match output {
            Output::Sip(command) => self.user_agent(command),
            Output::Media(command) => self.media(command),
            Output::Event(record) => {
                if let Event::Rung { leg, .. } | Event::ContactRung { leg, .. } = &record.event
                    && let Some(name) = self.ringing.pop_front()
                {
                    self.legs.insert(*leg, name);
                }
                self.follow_question(&record);
                self.events.push(record);
            }
            Output::DestroyRecording { recording, call, why, .. } => {
                self.note(format!("destroy recording ({why})"));
                if !self.quirks.destruction_unreported {
                    self.later(1, Input::RecordingDestroyed { call, recording });
                }
            }
        }
    }

    fn follow_question(&mut self, record: &EventRecord) {
        match &record.event {
            Event::Prompted { party, prompt } if prompt.starts_with("consent-ask") => {
                self.asked.insert(*party, record.call);
            }
            Event::Consented { receipt } => {
                let receipt = &receipt.receipt;
                self.note(said(receipt.role, receipt.answer));
                let call = record.call;
                // Anything but a yes ends the question for everybody.
                self.asked.retain(|party, at| {
                    *at != call || (*party != receipt.party && receipt.answer == Answer::Yes)
                });
            }
            _ => {}
        }
    }

    fn user_agent(&mut self, command: Command) {
        match command {
            Command::Progress { status, .. } => self.note(format!("{status} to caller")),
            Command::Accept { session, sdp } => self.accepted(session, sdp),
            Command::Refuse { session, status, reason, retry_after } => {
                let phone = self.phone(session);
                self.told.extend(reason.map(|reason| (phone.clone(), reason)));
                let retry = retry_after.map(|after| format!(", retry after {} s", after.as_secs()));
                self.note(format!("{status} to {phone}{}", retry.unwrap_or_default()));
            }
            Command::Invite { session, to, from, sdp, .. } => {
                let name = to.contact.expose().clone();
                self.note(format!("ring {name}"));
                self.leg_sessions.insert(name.clone(), session);
                let sdp = sdp.expect("we always offer");
                self.described.insert(name.clone(), sdp.clone());
                self.offers.insert(name.clone(), sdp);
                self.shown.insert(name.clone(), from);
                // Asked again in another way, it is no other ringing.
                let again = |(leg, known): (&LegId, &String)| *known == name && !self.closed.contains(leg);
                if !self.legs.iter().any(again) {
                    self.ringing.push_back(name);
                }
            }
            Command::Dial { session, to, sdp } => {
                let name = to.call.target.expose().clone();
                let by = self.world.by_trunk(to.trunk);
                self.note(format!("dial {name}{by}"));
                self.leg_sessions.insert(name.clone(), session);
                self.offers.insert(name.clone(), sdp);
                let user = to.call.behalf.expose().as_str().to_owned();
                self.shown.insert(name.clone(), FromParty::Known { display: None, user: user.into() });
                self.ringing.push_back(name);
            }
            Command::AnswerRefer { session, status, .. } => {
                let phone = self.phone(session);
                self.note(format!("{status} to the REFER of {phone}"));
            }
            Command::Notify { session, status, .. } => {
                let phone = self.phone(session);
                self.note(format!("notify {phone} {status}"));
            }
            Command::Cancel { session, reason } => {
                let phone = self.phone(session);
                self.note(format!("cancel {phone} ({})", text(reason)));
                let refused = SipEvent::Refused { session, status: 487, retry_after: None };
                self.later(0, Input::Sip(refused));
            }
            Command::Hangup { session, reason } => {
                let phone = self.phone(session);
                self.told.extend(reason.clone().map(|reason| (phone.clone(), reason)));
                self.note(format!("bye {phone} ({})", text(reason)));
                if !self.quirks.byes_unanswered {
                    self.later(0, Input::Sip(SipEvent::Ended { session, why: Ending::WeHungUp }));
                }
            }
            Command::Reinvite { session, sdp } => self.offered("re-invite", session, sdp),
            Command::Answer { .. } => panic!("nobody offers to us when rung"),
            Command::Update { session, sdp } => self.offered("update", session, sdp),
            Command::Trunk { .. } | Command::Leave => panic!("a call orders nothing about trunks"),
        }
    }

    fn offered(&mut self, how: &str, session: SessionId, sdp: Bytes) {
        let phone = self.phone(session);
        self.note(format!("{how} {phone}"));
        Description::parse(&sdp).expect("our own description is in order");
        self.described.insert(phone.clone(), sdp.clone());
        self.offers.insert(phone, sdp);
    }

    fn accepted(&mut self, session: SessionId, sdp: Bytes) {
        let phone = self.phone(session);
        self.note(format!("200 to {phone}"));
        Description::parse(&sdp).expect("our own description is in order");
        self.described.insert(phone.clone(), sdp.clone());
        self.answers.insert(phone, sdp);
        if !self.quirks.no_ack {
            self.later(0, Input::Sip(SipEvent::Acknowledged { session, sdp: None }));
        }
    }

    fn media(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Open { call, leg, .. } => self.open_leg(call, leg),
            MediaCommand::Connect { leg, negotiated, .. } => {
                let phone = self.name(leg);
                self.connected.insert(phone, negotiated);
            }
            MediaCommand::Play { call, leg, play, sound } => self.plays(call, leg, play, &sound),
            MediaCommand::StopPlay { leg, .. } => {
                let phone = self.name(leg);
                self.stop_prompt(leg);
                self.note(format!("{phone} hears the line"));
            }
            MediaCommand::Bridge { call, caller, other } => {
                assert!(!self.asked.values().any(|at| *at == call), "connected while somebody is asked");
                assert!(self.open.contains(&caller) && self.open.contains(&other), "both legs are there");
                let (caller, other) = (self.name(caller), self.name(other));
                self.note(format!("bridge {caller} {other}"));
            }
            MediaCommand::Mix { call, legs } => {
                assert!(!self.asked.values().any(|at| *at == call), "connected while somebody is asked");
                assert!(legs.iter().all(|leg| self.open.contains(leg)), "all legs are there");
                let names: Vec<String> = legs.iter().map(|leg| self.name(*leg)).collect();
                self.note(format!("mix {}", names.join(" ")));
            }
            MediaCommand::Unbridge { .. } => self.note("unbridge".into()),
            MediaCommand::StartRecording { call, recording, permit, tracks, .. } => {
                self.start_recording(call, recording, permit, tracks);
            }
            MediaCommand::PauseRecording { .. } => self.note("pause recording".into()),
            MediaCommand::ResumeRecording { .. } => self.note("resume recording".into()),
            MediaCommand::StopRecording { call, recording, why } => self.stop_recording(call, recording, why),
            MediaCommand::Close { call, leg } => {
                assert!(self.open.contains(&leg), "closed what was never opened");
                assert!(self.closed.insert(leg), "closed twice");
                self.stop_prompt(leg);
                let quality = Quality { received: 50, lost: 1, jitter_us: 900, ..Quality::default() };
                let quality = MediaEvent::Quality { call, leg, quality };
                self.later(0, Input::Media(quality));
            }
        }
    }

    fn open_leg(&mut self, call: CallId, leg: LegId) {
        if !self.calls.contains(&call) {
            self.calls.push(call);
            self.legs.insert(leg, "caller".into());
        } else if let Some(name) = self.next_leg.take() {
            self.legs.insert(leg, name);
        }
        self.all_legs.push((call, leg));
        assert!(self.open.insert(leg), "opened twice");
        if self.quirks.no_ports {
            self.later(0, Input::Media(MediaEvent::OpenFailed { call, leg }));
            return;
        }
        self.ports += 2;
        let rtp = SocketAddr::new(flow().local.ip(), self.ports);
        if !self.quirks.legs_do_not_open {
            self.later(0, Input::Media(MediaEvent::Opened { call, leg, rtp, browser: None }));
        }
    }

    fn plays(&mut self, call: CallId, leg: LegId, play: PlayId, sound: &Sound) {
        let phone = self.name(leg);
        self.stop_prompt(leg);
        match sound {
            Sound::Prompt { name, language } => {
                self.note(format!("{phone} hears {name} ({language:?})"));
                if !self.quirks.prompts_never_end {
                    let ended = MediaEvent::PlayEnded { call, leg, play, complete: true };
                    self.later(prompt_seconds(name), Input::Media(ended));
                }
            }
            Sound::Ringback(_) => self.note(format!("{phone} hears ring-back")),
            Sound::HoldTone => self.note(format!("{phone} hears the hold tone")),
            Sound::HoldMusic => self.note(format!("{phone} hears music")),
            Sound::Silence => self.note(format!("{phone} hears silence")),
        }
    }

    /// A prompt that is stopped or replaced does not report its end.
    fn stop_prompt(&mut self, stopped: LegId) {
        self.coming.retain(
            |_, input| !matches!(input, Input::Media(MediaEvent::PlayEnded { leg, .. }) if *leg == stopped),
        );
    }

    fn start_recording(
        &mut self,
        call: CallId,
        recording: RecordingId,
        permit: Permit,
        tracks: Vec<(LegId, PartyId)>,
    ) {
        assert!(permit.is_live(), "a permit that is dead records nothing");
        assert!(tracks.iter().all(|(leg, party)| self.open.contains(leg) && permit.covers(*party)));
        assert!(!self.recording.values().any(|at| *at == call), "one recording of a call at a time");
        self.all_recordings.push((call, recording));
        let names: Vec<String> = tracks.iter().map(|(leg, _)| self.name(*leg)).collect();
        self.note(format!("record {}", names.join(" and ")));
        self.recording.insert(recording, call);
        self.permits.push(permit);
        if !self.quirks.recorder_is_dead {
            self.later(0, Input::Media(MediaEvent::RecordingStarted { call, recording }));
        }
    }

    fn stop_recording(&mut self, call: CallId, recording: RecordingId, why: StopWhy) {
        assert!(self.recording.remove(&recording).is_some(), "stopped what was not running");
        let why = match why {
            StopWhy::CallEnded => "the call ended",
            StopWhy::EpochEnded => "the epoch ended",
            StopWhy::Withdrawn(OnWithdrawal::Destroy) => "withdrawn, to be destroyed",
            StopWhy::Withdrawn(OnWithdrawal::Keep) => "withdrawn, kept",
        };
        self.note(format!("stop recording ({why})"));
        if !self.quirks.recorder_is_dead && !self.quirks.recorder_never_closes {
            self.later(0, Input::Media(ended(call, recording, RecordingResult::Ok, "")));
        }
    }

    /// The recorder gives up by itself.
    pub fn recorder_breaks(&mut self, result: RecordingResult, why: &str) {
        let (recording, call) = self.recording.pop_first().expect("a recording");
        self.give(Input::Media(ended(call, recording, result, why)));
    }

    /// The recorder runs: for a recorder that says nothing by itself.
    pub fn recorder_says_started(&mut self) {
        let (recording, call) =
            self.recording.iter().next_back().map(|(r, c)| (*r, *c)).expect("a recording");
        self.give(Input::Media(MediaEvent::RecordingStarted { call, recording }));
    }

    /// It has closed the latest recording.
    pub fn recorder_has_closed(&mut self) {
        let (call, recording) = *self.all_recordings.last().expect("a recording");
        self.recorder_says_ended(call, recording, RecordingResult::Ok);
    }

    /// The recorder says that it has closed this recording of this call, which may be the wrong one.
    pub fn recorder_says_ended(&mut self, call: CallId, recording: RecordingId, result: RecordingResult) {
        if self.recording.get(&recording) == Some(&call) {
            self.recording.remove(&recording);
        }
        self.give(Input::Media(ended(call, recording, result, "so it says")));
    }

    pub fn all_sessions(&self) -> Vec<SessionId> {
        (1..=self.invites).chain(FIRST_OF_OURS + 1..=self.sessions).map(SessionId).collect()
    }

    fn name(&self, leg: LegId) -> String {
        self.legs.get(&leg).cloned().unwrap_or_else(|| "a leg".into())
    }

    fn phone(&self, session: SessionId) -> String {
        let found = self.leg_sessions.iter().find(|(_, known)| **known == session);
        found.map_or_else(|| "somebody".into(), |(name, _)| name.clone())
    }
}

fn ended(call: CallId, recording: RecordingId, result: RecordingResult, why: &str) -> MediaEvent {
    let duration = Duration::from_secs(9);
    MediaEvent::RecordingEnded { call, recording, result, duration, gaps: [0, 1], pages: 45, why: why.into() }
}

fn text(reason: Option<Reason>) -> String {
    reason.map_or_else(|| "no reason".into(), |reason| format!("{} {}", reason.protocol, reason.cause))
}

fn said(role: Role, answer: Answer) -> String {
    let who = match role {
        Role::Caller => "caller",
        Role::Receptionist => "receptionist",
        Role::Contact => "contact",
    };
    format!("receipt: {who} {answer:?}")
}
