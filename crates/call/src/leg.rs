//! One leg: its ports, its description, what it hears, which keys were pressed on it.
//!
//! Knows nothing of SIP sessions nor of the call around it.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use vorzimmer_sdp::{
    Browser, Codec, Description, Local, Negotiated, Payload, Preference, Protection, Recording, Refusal,
    Session,
};
use vorzimmer_types::srtp::Security;
use vorzimmer_types::{CallId, LegId, PartyId};

use crate::api::{MediaCommand, PlayId, Sound};
use crate::config::End;
use crate::hands::Hands;
use crate::limits::{PROMPT_WITHIN, TELL_AGAIN_AFTER};
use crate::presses::Presses;

/// The status with which a peer refuses an offer (RFC 3261 §21.4.26).
pub(crate) const NOT_ACCEPTABLE_HERE: u16 = 488;

/// One end of a call, with media of its own.
#[derive(Debug)]
pub(crate) struct Leg {
    call: CallId,
    pub(crate) id: LegId,
    /// Whose voice is on it.
    pub(crate) party: PartyId,
    /// Whose end it goes to.
    end: End,
    rtp: Option<SocketAddr>,
    /// What a browser is told besides.
    browser: Option<Box<Browser>>,
    /// What is demanded of its media.
    protection: Protection,
    description: Session,
    /// The codecs that its peer named last.
    named: Vec<Codec>,
    /// What was last told of its security.
    told: Option<Security>,
    /// We have offered, and the answer comes in an ACK.
    awaits_answer: bool,
    /// We have offered something else in a request within the dialog, and its answer is still to come.
    reoffers: bool,
    /// What its descriptions say about recording; none to a telephone that does not ask for it.
    recording: Option<Recording>,
    /// What its telephone was told about recording; nothing is as good as "nothing is recorded".
    shown: Recording,
    /// When it is told again: something came in between.
    tell_again: Option<Instant>,
    /// What it wants.
    preference: Option<Preference>,
    /// Whether the gate knows that it does not want to be recorded.
    refused: bool,
    pub(crate) playing: Option<Playing>,
    pub(crate) presses: Presses,
}

/// Whom a leg is for.
#[derive(Clone, Copy)]
pub(crate) struct Towards {
    /// Our address on the network where the peer is.
    pub(crate) local: IpAddr,
    /// Where its signalling comes from.
    pub(crate) signalling: IpAddr,
    /// Whose end it is.
    pub(crate) end: End,
    /// What is demanded of its media.
    pub(crate) protection: Protection,
    /// Whether it is a browser.
    pub(crate) browser: bool,
}

/// A prompt that is being played to a leg.
#[derive(Debug)]
pub(crate) struct Playing {
    pub(crate) play: PlayId,
    pub(crate) purpose: Purpose,
    /// When its end is no longer waited for.
    pub(crate) until: Instant,
}

/// What follows when a prompt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The customer's greeting: the caller is asked, or receptionists are rung.
    Greeting,
    /// A consent question that this party is to answer.
    Question,
    /// A consent question that another party is to answer.
    Overheard,
    /// What came of the question before receptionists are rung: now they are.
    Told,
    /// A word between two who talk.
    Notice,
    /// The last words: then we hang up.
    Farewell,
}

impl Leg {
    /// Asks for ports.
    pub(crate) fn open(call: CallId, towards: Towards, hands: &mut Hands<'_>) -> Self {
        let Towards { local, signalling, end, protection, browser } = towards;
        let leg = LegId::random(hands.entropy);
        hands.media(MediaCommand::Open { call, leg, local, signalling: signalling.into(), browser });
        Self {
            call,
            id: leg,
            party: PartyId::random(hands.entropy),
            end,
            rtp: None,
            browser: None,
            protection,
            description: Session::new(hands.entropy),
            named: Vec::new(),
            told: None,
            awaits_answer: false,
            reoffers: false,
            recording: None,
            shown: Recording::Off,
            tell_again: None,
            preference: None,
            refused: false,
            playing: None,
            presses: Presses::default(),
        }
    }

    /// Whether it has ports.
    pub(crate) fn is_open(&self) -> bool {
        self.rtp.is_some()
    }

    /// It has ports.
    pub(crate) fn opened(&mut self, rtp: SocketAddr, browser: Option<Box<Browser>>) {
        self.rtp = Some(rtp);
        self.browser = browser;
    }

    /// Answers an offer and connects the media; what was agreed on before stays if the offer cannot be taken.
    pub(crate) fn answer(
        &mut self,
        offer: &Description,
        prefer: Option<Codec>,
        hands: &mut Hands<'_>,
    ) -> Result<Bytes, Refusal> {
        let local = self.local(prefer, hands).ok_or(Refusal::NoAddress)?;
        let (answer, negotiated) = self.description.answer(offer, &local, hands.entropy)?;
        self.awaits_answer = false;
        self.reoffers = false;
        self.shown = self.recording.unwrap_or(Recording::Off);
        self.tell_again = None;
        self.named = named(offer);
        self.prefers(offer.preference);
        self.connect(negotiated, hands);
        Ok(answer.to_bytes().into())
    }

    /// An offer of ours, once it has ports; none if keys that must be said must not be said here.
    pub(crate) fn offer(&mut self, prefer: Option<Codec>, hands: &mut Hands<'_>) -> Result<Bytes, Refusal> {
        let local = self.local(prefer, hands).ok_or(Refusal::NoAddress)?;
        let offer = self.description.offer(&local, hands.entropy)?;
        self.awaits_answer = true;
        Ok(offer.to_bytes().into())
    }

    /// Another offer, of a session of its own, after the peer has refused how we offered encryption; none if there is no
    /// other way.
    pub(crate) fn offer_otherwise(&mut self, prefer: Option<Codec>, hands: &mut Hands<'_>) -> Option<Bytes> {
        self.protection = self.protection.after_refusal().filter(|_| self.browser.is_none())?;
        self.description = Session::new(hands.entropy);
        self.offer(prefer, hands).ok()
    }

    /// Whether an answer to an offer of ours is still to come.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.awaits_answer
    }

    /// What was said last, as an offer within the dialog that changes nothing. None while another one is under way.
    pub(crate) fn offer_again(&mut self) -> Option<Bytes> {
        let idle = !self.awaits_answer && !self.reoffers;
        let offer = if idle { self.description.offer_again() } else { None };
        self.reoffers |= offer.is_some();
        offer.map(|offer| offer.to_bytes().into())
    }

    /// An offer within the dialog that asks for this codec, if the peer knows it. None while another one is under way.
    pub(crate) fn offer_codec(&mut self, codec: Codec, hands: &mut Hands<'_>) -> Option<Bytes> {
        let local = self.local(Some(codec), hands)?;
        let known = self.named.contains(&codec) && local.codecs.contains(&codec);
        if !known || self.awaits_answer || self.reoffers {
            return None;
        }
        let offer = self.description.offer(&local, hands.entropy).ok()?;
        self.shown = self.recording.unwrap_or(Recording::Off);
        self.reoffers = true;
        Some(offer.to_bytes().into())
    }

    /// Whether the answer to an offer of ours within the dialog is still to come.
    pub(crate) fn reoffers(&self) -> bool {
        self.reoffers
    }

    /// The offer within the dialog was refused: everything stays as it was (RFC 3261 §14.1).
    pub(crate) fn offer_refused(&mut self, status: u16, now: Instant) {
        self.reoffers = false;
        self.description.offer_refused();
        if status == 491 && self.recording.is_some() {
            self.tell_again = Some(now + TELL_AGAIN_AFTER);
        }
    }

    /// It wants to be told what is recorded.
    pub(crate) fn is_record_aware(&mut self) {
        self.recording.get_or_insert(Recording::Off);
    }

    /// Whether its telephone wants a pause.
    pub(crate) fn wants_pause(&self) -> bool {
        self.preference == Some(Preference::Pause)
    }

    /// Whether its telephone does not want to be recorded, and nobody has acted on it.
    pub(crate) fn refuses_recording(&self) -> bool {
        self.preference == Some(Preference::Off) && !self.refused
    }

    /// Somebody has.
    pub(crate) fn has_refused_recording(&mut self) {
        self.refused = true;
    }

    /// A description that says nothing changes nothing.
    fn prefers(&mut self, said: Option<Preference>) {
        self.preference = said.or(self.preference);
        self.refused &= self.preference == Some(Preference::Off);
    }

    /// From now on its descriptions say this about recording; and if it was told something else, the offer that says so.
    /// None while another offer is under way: what is true then is said after that.
    pub(crate) fn tell(&mut self, truth: Recording, now: Instant) -> Option<Bytes> {
        *self.recording.as_mut()? = truth;
        let again = self.tell_again.take_if(|at| *at <= now).is_some();
        if self.awaits_answer || self.reoffers || self.tell_again.is_some() || (self.shown == truth && !again)
        {
            return None;
        }
        let offer = self.description.offer_as_recorded(self.recording)?;
        self.shown = truth;
        self.reoffers = true;
        Some(offer.to_bytes().into())
    }

    /// Takes the answer to our offer and connects the media.
    pub(crate) fn accept(&mut self, answer: Option<&Bytes>, hands: &mut Hands<'_>) -> Result<(), Refusal> {
        self.awaits_answer = false;
        self.reoffers = false;
        let answer = Description::parse(answer.ok_or(Refusal::AnswerMismatch)?)?;
        let negotiated = self.description.accept(&answer)?;
        self.named = named(&answer);
        self.prefers(answer.preference);
        self.connect(negotiated, hands);
        Ok(())
    }

    /// The same for a 2xx, which says nothing if everything was agreed on while it rang (RFC 3311).
    pub(crate) fn accept_final(
        &mut self,
        answer: Option<&Bytes>,
        hands: &mut Hands<'_>,
    ) -> Result<(), Refusal> {
        let agreed = answer.is_none() && !self.awaits_answer && self.description.agreed().is_some();
        if agreed { Ok(()) } else { self.accept(answer, hands) }
    }

    /// Whether its phone wants to hear nothing: it holds.
    pub(crate) fn holds(&self) -> bool {
        self.description.agreed().is_some_and(Negotiated::peer_holds)
    }

    /// How its media is protected, if that is news.
    pub(crate) fn security_news(&mut self) -> Option<Security> {
        let security = self.description.agreed()?.keying.security();
        (self.told.replace(security) != Some(security)).then_some(security)
    }

    /// The codec it is sent.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.description.agreed().map(|agreed| agreed.format.send.codec)
    }

    /// Plays a prompt, in place of whatever it hears now.
    pub(crate) fn play(&mut self, play: PlayId, sound: Sound, purpose: Purpose, hands: &mut Hands<'_>) {
        let until = hands.now.mono + PROMPT_WITHIN;
        self.playing = Some(Playing { play, purpose, until });
        hands.media(MediaCommand::Play { call: self.call, leg: self.id, play, sound });
    }

    /// Plays a tone until stopped, in place of whatever it hears now.
    pub(crate) fn tone(&mut self, play: PlayId, sound: Sound, hands: &mut Hands<'_>) {
        self.playing = None;
        hands.media(MediaCommand::Play { call: self.call, leg: self.id, play, sound });
    }

    /// Nothing but the other party.
    pub(crate) fn hush(&mut self, hands: &mut Hands<'_>) {
        self.playing = None;
        hands.media(MediaCommand::StopPlay { call: self.call, leg: self.id });
    }

    /// The prompt with this id, if it is the one that is being played: it is no longer.
    pub(crate) fn ended(&mut self, play: PlayId) -> Option<Purpose> {
        self.playing.take_if(|playing| playing.play == play).map(|playing| playing.purpose)
    }

    /// A prompt whose end was never reported.
    pub(crate) fn overdue(&mut self, now: Instant) -> Option<PlayId> {
        self.playing.as_ref().filter(|playing| playing.until <= now).map(|playing| playing.play)
    }

    /// When a prompt's end is overdue, or something has to be said again.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.playing.as_ref().map(|playing| playing.until).into_iter().chain(self.tell_again).min()
    }

    fn local(&self, prefer: Option<Codec>, hands: &Hands<'_>) -> Option<Local> {
        self.rtp.map(|rtp| Local {
            prefer,
            codecs: hands.config.codecs.of(self.end).to_vec(),
            protection: self.protection,
            recording: self.recording,
            browser: self.browser.clone(),
            ..Local::new(rtp)
        })
    }

    fn connect(&self, negotiated: Negotiated, hands: &mut Hands<'_>) {
        hands.media(MediaCommand::Connect { call: self.call, leg: self.id, negotiated });
    }
}

/// The codecs of a description that we know.
fn named(description: &Description) -> Vec<Codec> {
    let audio = description.audio().map(|(_, audio)| audio.payloads.iter());
    audio.into_iter().flatten().filter_map(Payload::codec).collect()
}
