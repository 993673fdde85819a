//! Whether and how an audio line is encrypted: what is offered, what is taken, what is refused.
//!
//! | we | the peer offers `RTP/AVP` | `RTP/AVP` with `a=crypto` | `RTP/SAVP` with `a=crypto` |
//! |---|---|---|---|
//! | require | refused | SRTP | SRTP |
//! | prefer | plain | SRTP (RFC 8643) | SRTP |
//! | off | plain | plain | refused |
//!
//! Of several suites the best that both have is taken. Who offers `RTP/SAVP` is never answered without SRTP, and who
//! had SRTP never gets less by offering again.

use std::sync::Arc;

use vorzimmer_types::Entropy;
use vorzimmer_types::srtp::{Keying, MasterKey, SrtpKeys, SrtpPolicy, Suite};

use crate::{AudioMedia, Crypto, Refusal, Transport};

/// The suites we offer, best first. Those with a tag of 32 bits are taken from others, but not offered.
const OFFERED: [Suite; 4] =
    [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm256HmacSha1Tag80, Suite::AesCm128HmacSha1Tag80];

/// What is demanded of one leg's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Whether it must, may or must not be encrypted.
    pub policy: SrtpPolicy,
    /// The description goes over signalling that others can read, and any keys with it.
    pub in_clear: bool,
    /// Keys that went over such signalling will do even where encryption is required.
    pub clear_keys_will_do: bool,
    /// Offer `RTP/SAVP` although encryption is not required: the peer took nothing else.
    pub insist: bool,
}

impl Protection {
    /// None is offered or taken.
    pub const OFF: Self =
        Self { policy: SrtpPolicy::Off, in_clear: true, clear_keys_will_do: false, insist: false };

    /// Whether keys may stand in the description.
    fn allows_sdes(self) -> bool {
        match self.policy {
            SrtpPolicy::Off => false,
            SrtpPolicy::Prefer => true,
            SrtpPolicy::Require => !self.in_clear || self.clear_keys_will_do,
        }
    }

    /// What an offer of ours says. Keys in use stay in use (RFC 4568 §7.1.4); others are new.
    ///
    /// # Errors
    /// [`Refusal::KeysInClear`] if keys are required and must not be said here.
    pub(crate) fn offer(
        self,
        current: &Keying,
        random: &mut (impl Entropy + ?Sized),
    ) -> Result<(Transport, Vec<Crypto>), Refusal> {
        if !self.allows_sdes() {
            let must = self.policy == SrtpPolicy::Require;
            return if must { Err(Refusal::KeysInClear) } else { Ok((Transport::Avp, Vec::new())) };
        }
        let used = match current {
            Keying::Sdes { keys, .. } => Some(&keys.send),
            Keying::Plain | Keying::Dtls { .. } => None,
        };
        let others = OFFERED.into_iter().filter(|suite| Some(*suite) != used.map(MasterKey::suite));
        let fresh = others.map(|suite| MasterKey::random(suite, random));
        let keys = used.cloned().into_iter().chain(fresh);
        let crypto = (1..).zip(keys).map(|(tag, key)| Crypto { tag, key, lifetime: None }).collect();
        Ok((self.offered_transport(), crypto))
    }

    /// RFC 8643 §3: who only prefers encryption offers it under `RTP/AVP`, which every peer can answer.
    fn offered_transport(self) -> Transport {
        if self.policy == SrtpPolicy::Require || self.insist { Transport::Savp } else { Transport::Avp }
    }

    /// How an offer is answered: the `a=crypto` line if there is to be one, and what was agreed on with it.
    pub(crate) fn answer(
        self,
        offer: &AudioMedia,
        current: &Keying,
        random: &mut (impl Entropy + ?Sized),
    ) -> Result<(Option<Crypto>, Keying), Refusal> {
        let secure = offer.transport.is_secure();
        let by_dtls = matches!(offer.transport, Transport::DtlsSavp | Transport::DtlsSavpf);
        if by_dtls && self.policy != SrtpPolicy::Off {
            return Err(Refusal::Transport);
        }
        let best = if self.allows_sdes() { best(&offer.crypto) } else { None };
        let Some(theirs) = best else {
            return self.without_keys(secure, offer, current).map(|()| (None, Keying::Plain));
        };
        let keying = self.keyed(theirs, current, || MasterKey::random(theirs.key.suite(), random));
        let Keying::Sdes { keys, .. } = &keying else { return Err(Refusal::NoCommonSuite) };
        let ours = Crypto { tag: theirs.tag, key: keys.send.clone(), lifetime: None };
        Ok((Some(ours), keying))
    }

    /// What the peer's answer makes of our offer.
    pub(crate) fn accept(
        self,
        answer: &AudioMedia,
        offered: &AudioMedia,
        current: &Keying,
    ) -> Result<Keying, Refusal> {
        let (secure, wanted) = (answer.transport.is_secure(), offered.transport.is_secure());
        // RFC 4568 §5.1.3: one line, with the tag and the suite of one that was offered.
        let chosen = answer.crypto.first().and_then(|theirs| {
            let ours = offered.crypto.iter().find(|ours| ours.tag == theirs.tag)?;
            (ours.key.suite() == theirs.key.suite()).then_some((theirs, ours))
        });
        match chosen {
            Some((theirs, ours)) if answer.crypto.len() == 1 => {
                Ok(self.keyed(theirs, current, || ours.key.clone()))
            }
            Some(_) => Err(Refusal::AnswerMismatch),
            // Some answer RTP/AVP to RTP/SAVP, or RTP/SAVP without keys: neither is an answer to our offer.
            None if wanted || secure || !answer.crypto.is_empty() => Err(Refusal::NotEncrypted),
            None => self.without_keys(false, answer, current).map(|()| Keying::Plain),
        }
    }

    /// The keys of both directions. Whoever offers the key in use again changes nothing; with a new one comes a new
    /// one of ours, so that both ends begin anew (RFC 4568 §7.1.4).
    fn keyed(self, theirs: &Crypto, current: &Keying, ours: impl FnOnce() -> MasterKey) -> Keying {
        if let Keying::Sdes { keys, .. } = current
            && keys.receive == theirs.key
        {
            return Keying::Sdes { keys: Arc::clone(keys), in_clear: self.in_clear };
        }
        let lifetime = theirs.lifetime.unwrap_or(SrtpKeys::MAX_LIFETIME);
        let keys = SrtpKeys { send: ours(), receive: theirs.key.clone(), lifetime };
        Keying::Sdes { keys: Arc::new(keys), in_clear: self.in_clear }
    }

    /// Whether a line without keys that we may use can be taken.
    fn without_keys(self, secure: bool, line: &AudioMedia, current: &Keying) -> Result<(), Refusal> {
        let had = !matches!(current, Keying::Plain);
        match self.policy {
            SrtpPolicy::Off if secure => Err(Refusal::SecureTransport),
            SrtpPolicy::Off => Ok(()),
            SrtpPolicy::Require if !line.crypto.is_empty() => Err(Refusal::KeysInClear),
            SrtpPolicy::Require => Err(if secure { Refusal::NoCommonSuite } else { Refusal::NotEncrypted }),
            SrtpPolicy::Prefer if secure => Err(Refusal::NoCommonSuite),
            // A call that began encrypted does not go on for everybody to hear.
            SrtpPolicy::Prefer if had => Err(Refusal::NotEncrypted),
            SrtpPolicy::Prefer => Ok(()),
        }
    }
}

impl Default for Protection {
    fn default() -> Self {
        Self::OFF
    }
}

/// The best suite; of two lines with it the first.
fn best(lines: &[Crypto]) -> Option<&Crypto> {
    Suite::ALL.into_iter().find_map(|suite| lines.iter().find(|line| line.key.suite() == suite))
}
