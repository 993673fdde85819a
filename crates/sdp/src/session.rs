//! The descriptions of one dialog: what we last said, what is agreed on, and the version that counts changes.

use std::sync::Arc;

use vorzimmer_types::audio::Negotiated;
use vorzimmer_types::{Entropy, entropy};

use crate::local::Known;
use crate::negotiate::{Current, accept_audio, answer_audio};
use crate::{AudioMedia, Description, Local, Media, Origin, OtherMedia, Recording, Refusal};

/// Our side of one dialog's session.
#[derive(Clone, Debug)]
pub struct Session {
    id: u64,
    /// What we last said, and what stood behind it.
    published: Option<Said>,
    offered: Option<Said>,
    /// What we said before that.
    before: Option<Said>,
    agreed: Option<Negotiated>,
}

/// A description of ours and what stood behind it. Copies share both.
#[derive(Clone, Debug)]
struct Said {
    description: Arc<Description>,
    local: Arc<Local>,
}

impl Session {
    /// A session that has said nothing yet.
    pub fn new(random: &mut (impl Entropy + ?Sized)) -> Self {
        // Some peers read the id as a signed 64-bit number, so the top bit stays clear.
        let id = u64::from_be_bytes(entropy::array(random)) >> 1;
        Self { id, published: None, offered: None, before: None, agreed: None }
    }

    /// What the last completed exchange agreed on.
    #[must_use]
    pub fn agreed(&self) -> Option<&Negotiated> {
        self.agreed.as_ref()
    }

    /// Answers an offer (RFC 3264 §6): one audio line is taken, every other line gets port 0.
    ///
    /// # Errors
    /// [`Refusal`] with status 488 if no audio line can be taken; what was agreed on before stays in force.
    pub fn answer(
        &mut self,
        offer: &Description,
        local: &Local,
        random: &mut (impl Entropy + ?Sized),
    ) -> Result<(Arc<Description>, Negotiated), Refusal> {
        let (place, audio, agreed) = take_audio(offer, local, &self.current(), random)?;
        let media = offer.media.iter().enumerate();
        let media = media
            .map(
                |(at, media)| {
                    if at == place { Media::Audio(audio.clone()) } else { Media::Other(refused(media)) }
                },
            )
            .collect();
        let said = self.publish(local.clone(), media);
        self.offered = None;
        self.agreed = Some(agreed.clone());
        Ok((said.description, agreed))
    }

    /// Makes an offer (RFC 3264 §5, and §8 when something was agreed on before).
    ///
    /// # Errors
    /// [`Refusal::KeysInClear`] if it must have keys that must not be said here.
    pub fn offer(
        &mut self,
        local: &Local,
        random: &mut (impl Entropy + ?Sized),
    ) -> Result<Arc<Description>, Refusal> {
        let current = self.current();
        // RFC 3264 §8.3.2: a payload type keeps its meaning for the whole session.
        let format = self.agreed.as_ref().map(|agreed| agreed.format);
        let known = Known {
            codec: format.and_then(|format| format.receive[0]).map(|p| (p.payload_type, p.codec)),
            events: format.and_then(|format| format.events).map(|events| (events.receive, events.clock_hz)),
        };
        let prefer = local.prefer.or(current.codec);
        let audio = Local { prefer, ..local.clone() }.offered_audio(&known);
        let audio = Media::Audio(match &local.browser {
            Some(browser) => browser.as_of(current.ice).offer(audio),
            None => local.protection.offer(audio, &current.keying, random)?,
        });
        // RFC 3264 §8: lines are never taken away, only refused.
        let mut media: Vec<Media> = match &self.published {
            Some(before) => before.description.media.clone(),
            None => Vec::with_capacity(1),
        };
        match media.iter_mut().find(|media| matches!(media, Media::Audio(_))) {
            Some(place) => *place = audio,
            None => media.push(audio),
        }
        let said = self.publish(local.clone(), media);
        self.offered = Some(said.clone());
        Ok(said.description)
    }

    /// Offers what was said last once more, to the letter: what refreshes a session must not change it (RFC 4028 §7.4,
    /// RFC 3264 §8). None before anything was said.
    pub fn offer_again(&mut self) -> Option<Arc<Description>> {
        let recording = self.published.as_ref()?.local.recording;
        self.offer_as_recorded(recording)
    }

    /// The same with something else said about recording (RFC 7866 §6.1.2). None before anything was said.
    pub fn offer_as_recorded(&mut self, recording: Option<Recording>) -> Option<Arc<Description>> {
        let before = self.published.as_ref()?;
        let media = before.description.media.clone();
        let local = Local { recording, ..Local::clone(&before.local) };
        let said = self.publish(local, media);
        self.offered = Some(said.clone());
        Some(said.description)
    }

    /// Takes the answer to our last offer. May be called for each dialog that one offer forked into.
    ///
    /// # Errors
    /// [`Refusal`] if the peer refused our audio or answered something that we did not offer.
    pub fn accept(&mut self, answer: &Description) -> Result<Negotiated, Refusal> {
        let offer = self.offered.as_ref().ok_or(Refusal::AnswerMismatch)?;
        let (place, offered) = offer.description.audio().ok_or(Refusal::AnswerMismatch)?;
        // RFC 3264 §6: the answer's lines stand where the offer's stood.
        let answered = match answer.media.get(place) {
            Some(Media::Audio(audio)) => audio,
            _ => return Err(Refusal::AnswerMismatch),
        };
        let agreed = accept_audio(answered, offered, &offer.local, &self.current())?;
        self.agreed = Some(agreed.clone());
        Ok(agreed)
    }

    /// Our last offer was refused: what stood before it holds on (RFC 3261 §14.1), and is what is said again, though under
    /// a version of its own.
    pub fn offer_refused(&mut self) {
        let (Some(refused), Some(mut before)) = (&self.published, self.before.take()) else {
            return;
        };
        let refused = &refused.description;
        if self.offered.take().is_some() && before.description.media != refused.media {
            let version = refused.origin.version.wrapping_add(1);
            Arc::make_mut(&mut before.description).origin.version = version;
            self.published = Some(before);
        }
    }

    fn current(&self) -> Current {
        self.agreed.as_ref().map_or_else(Current::default, |agreed| Current {
            codec: Some(agreed.format.send.codec),
            received: agreed.format.receive[0],
            keying: agreed.keying.clone(),
            ice: agreed.ice.as_deref().copied(),
        })
    }

    /// Says `media`, under a new version only if that differs from what was said before (RFC 3264 §8).
    fn publish(&mut self, local: Local, media: Vec<Media>) -> Said {
        let id = self.id.to_string();
        let said = self.published.as_ref().map(|said| &said.description);
        let same = said.filter(|said| {
            let origin = said.origin.addr == local.rtp.ip();
            origin && said.media == media && said.recording == local.recording
        });
        let version = match (same, said) {
            (Some(same), _) => same.origin.version,
            (None, Some(said)) => said.origin.version.wrapping_add(1),
            (None, None) => 1,
        };
        let origin = Origin { id, version, addr: local.rtp.ip() };
        let (recording, preference) = (local.recording, None);
        let description = Arc::new(Description { origin, media, recording, preference });
        let said = Said { description, local: Arc::new(local) };
        self.before = self.published.replace(said.clone());
        said
    }
}

/// The first audio line that can be taken; if none can, why the first could not.
fn take_audio(
    offer: &Description,
    local: &Local,
    current: &Current,
    random: &mut (impl Entropy + ?Sized),
) -> Result<(usize, AudioMedia, Negotiated), Refusal> {
    let mut first_refusal = None;
    for (place, media) in offer.media.iter().enumerate() {
        let Media::Audio(audio) = media else { continue };
        match answer_audio(audio, local, current, random) {
            Ok((answered, agreed)) => return Ok((place, answered, agreed)),
            Err(refusal) => first_refusal = first_refusal.or(Some(refusal)),
        }
    }
    Err(first_refusal.unwrap_or(Refusal::NoAudio))
}

/// The same line with port 0 (RFC 3264 §6).
fn refused(media: &Media) -> OtherMedia {
    match media {
        Media::Other(other) => OtherMedia { port: 0, ..other.clone() },
        Media::Audio(audio) => {
            let types: Vec<String> = audio.payloads.iter().map(|p| p.pt.to_string()).collect();
            OtherMedia {
                kind: "audio".to_owned(),
                port: 0,
                transport: audio.transport.name().to_owned(),
                formats: if types.is_empty() { "0".to_owned() } else { types.join(" ") },
            }
        }
    }
}
