//! Whether and how an audio line is encrypted: what is offered, what is taken, what is refused.
//!
//! | we | the peer offers `RTP/AVP` | with `a=crypto` or `a=fingerprint` | `RTP/SAVP`, `UDP/TLS/RTP/SAVP` |
//! |---|---|---|---|
//! | require | refused | SRTP | SRTP |
//! | prefer | plain | SRTP (RFC 8643) | SRTP |
//! | off | plain | plain | refused |
//!
//! Where there are both, keys come out of a DTLS handshake (RFC 5763) rather than out of the description (RFC 4568);
//! of several suites the best that both have is taken. Who offers a secure profile is never answered without SRTP, and
//! who had SRTP never gets less by offering again.

use std::sync::Arc;

use vorzimmer_types::Entropy;
use vorzimmer_types::dtls::{Fingerprint, Setup};
use vorzimmer_types::srtp::{Keying, MasterKey, SrtpKeys, SrtpPolicy, Suite};

use crate::web::Dtls;
use crate::{AudioMedia, Crypto, Refusal, Transport};

/// The suites we offer, best first: each line makes a datagram longer. The others are taken, but not offered.
const OFFERED: [Suite; 3] =
    [Suite::AeadAes256Gcm, Suite::AesCm256HmacSha1Tag80, Suite::AesCm128HmacSha1Tag80];

/// Under which profile encryption is offered. A peer that refuses one may take the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// `RTP/AVP` with keys besides (RFC 8643), which every peer can answer; where encryption is required, `RTP/SAVP`.
    #[default]
    BestEffort,
    /// `RTP/SAVP`: what peers want that insist on SDES.
    Savp,
    /// `UDP/TLS/RTP/SAVP`: what peers want that insist on DTLS.
    Dtls,
}

/// What is demanded of one leg's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Whether it must, may or must not be encrypted.
    pub policy: SrtpPolicy,
    /// The description goes over signalling that others can read, and any keys with it.
    pub in_clear: bool,
    /// Keys that went over such signalling will do even where encryption is required.
    pub clear_keys_will_do: bool,
    /// Our certificate for DTLS; none if handshakes are not offered or taken.
    pub certificate: Option<Fingerprint>,
    /// How it is offered.
    pub profile: Profile,
}

/// What an answer of ours says about it, and what is agreed on with it.
#[derive(Default)]
pub(crate) struct Answered {
    pub(crate) crypto: Option<Crypto>,
    pub(crate) dtls: Option<Dtls>,
    pub(crate) keying: Keying,
}

impl Protection {
    /// None is offered or taken.
    pub const OFF: Self = Self {
        policy: SrtpPolicy::Off,
        in_clear: true,
        clear_keys_will_do: false,
        certificate: None,
        profile: Profile::BestEffort,
    };

    /// Whether keys may stand in the description.
    fn allows_sdes(self) -> bool {
        match self.policy {
            SrtpPolicy::Off => false,
            SrtpPolicy::Prefer => true,
            SrtpPolicy::Require => !self.in_clear || self.clear_keys_will_do,
        }
    }

    /// Our certificate, if a handshake may be made with it.
    fn certificate(self) -> Option<Fingerprint> {
        self.certificate.filter(|_| self.policy != SrtpPolicy::Off)
    }

    /// What is offered after the peer has refused this; none if nothing is left.
    #[must_use]
    pub fn after_refusal(self) -> Option<Self> {
        let savp =
            self.allows_sdes() && self.profile == Profile::BestEffort && self.policy == SrtpPolicy::Prefer;
        let dtls = self.certificate().is_some() && self.profile != Profile::Dtls;
        let profile = if savp { Profile::Savp } else { Profile::Dtls };
        (savp || dtls).then_some(Self { profile, ..self })
    }

    /// An offer of ours: what `audio` says about encryption. Keys in use stay in use (RFC 4568 §7.1.4), and so does a
    /// handshake (RFC 8842 §5.5); other keys are new.
    ///
    /// # Errors
    /// [`Refusal::KeysInClear`] if keys are required and must not be said here.
    pub(crate) fn offer(
        self,
        audio: AudioMedia,
        current: &Keying,
        random: &mut (impl Entropy + ?Sized),
    ) -> Result<AudioMedia, Refusal> {
        let sdes =
            self.allows_sdes() && self.profile != Profile::Dtls && !matches!(current, Keying::Dtls { .. });
        let certificate = self.certificate().filter(|_| !matches!(current, Keying::Sdes { .. }));
        let transport = match (self.profile, self.policy) {
            _ if !sdes && certificate.is_none() && self.policy == SrtpPolicy::Require => {
                return Err(Refusal::KeysInClear);
            }
            (_, SrtpPolicy::Off) | (Profile::BestEffort, SrtpPolicy::Prefer) => Transport::Avp,
            _ if sdes => Transport::Savp,
            _ => Transport::DtlsSavp,
        };
        let dtls = certificate.map(|ours| Dtls::of(ours, Setup::ActPass));
        let crypto = if sdes { offered_keys(current, random) } else { Vec::new() };
        // One handshake is for one pair of ports: RTCP has to come on the same (RFC 5764 §5.1.2).
        let mux = dtls.is_some();
        Ok(AudioMedia { transport, crypto, dtls, mux, ..audio })
    }

    /// How an offer is answered.
    pub(crate) fn answer(
        self,
        offer: &AudioMedia,
        current: &Keying,
        random: &mut (impl Entropy + ?Sized),
    ) -> Result<Answered, Refusal> {
        let sdes = if self.allows_sdes() { best(&offer.crypto) } else { None };
        let goes_on = sdes.is_some_and(|theirs| uses(current, theirs));
        if !goes_on && let (Some(ours), Some(theirs)) = (self.certificate(), &offer.dtls) {
            return shake(ours, theirs, current);
        }
        if matches!(offer.transport, Transport::DtlsSavp | Transport::DtlsSavpf) {
            let off = self.policy == SrtpPolicy::Off;
            return Err(if off { Refusal::SecureTransport } else { Refusal::NoHandshake });
        }
        let Some(theirs) = sdes else {
            self.without_keys(offer.transport.is_secure(), offer, current)?;
            return Ok(Answered::default());
        };
        let keying = self.keyed(theirs, current, || MasterKey::random(theirs.key.suite(), random));
        let Keying::Sdes { keys, .. } = &keying else { return Err(Refusal::NoCommonSuite) };
        let ours = Crypto { tag: theirs.tag, key: keys.send.clone(), lifetime: None };
        Ok(Answered { crypto: Some(ours), dtls: None, keying })
    }

    /// What the peer's answer makes of our offer.
    pub(crate) fn accept(
        self,
        answer: &AudioMedia,
        offered: &AudioMedia,
        current: &Keying,
    ) -> Result<Keying, Refusal> {
        if let (Some(theirs), Some(_)) = (&answer.dtls, &offered.dtls) {
            let ours = match theirs.setup {
                Some(Setup::Active) => Setup::Passive,
                Some(Setup::Passive) => Setup::Active,
                // RFC 8842 §5.3: an answer decides.
                Some(Setup::ActPass) | None => return Err(Refusal::NoHandshake),
            };
            return Ok(shaken(theirs.strongest().ok_or(Refusal::NoHandshake)?, ours, current));
        }
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
            && uses(current, theirs)
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

/// The keys that an offer of ours says.
fn offered_keys(current: &Keying, random: &mut (impl Entropy + ?Sized)) -> Vec<Crypto> {
    let used = match current {
        Keying::Sdes { keys, .. } => Some(&keys.send),
        Keying::Plain | Keying::Dtls { .. } => None,
    };
    let others = OFFERED.into_iter().filter(|suite| Some(*suite) != used.map(MasterKey::suite));
    let fresh = others.map(|suite| MasterKey::random(suite, random));
    let keys = used.cloned().into_iter().chain(fresh);
    (1..).zip(keys).map(|(tag, key)| Crypto { tag, key, lifetime: None }).collect()
}

/// Whether this is the key that the peer uses already.
fn uses(current: &Keying, theirs: &Crypto) -> bool {
    matches!(current, Keying::Sdes { keys, .. } if keys.receive == theirs.key)
}

/// A telephone's offer of a handshake, taken. We wait where we may: its way to us is open before ours to it.
fn shake(ours: Fingerprint, theirs: &Dtls, current: &Keying) -> Result<Answered, Refusal> {
    let setup = match (theirs.setup, current) {
        // RFC 8842 §5.5: roles do not change while the handshake's fruit is used.
        (Some(Setup::ActPass), Keying::Dtls { ours, .. }) => *ours,
        (Some(Setup::Active | Setup::ActPass), _) => Setup::Passive,
        (Some(Setup::Passive), _) => Setup::Active,
        (None, _) => return Err(Refusal::NoHandshake),
    };
    let peer = theirs.strongest().ok_or(Refusal::NoHandshake)?;
    let dtls = Some(Dtls::of(ours, setup));
    Ok(Answered { crypto: None, dtls, keying: shaken(peer, setup, current) })
}

/// RFC 8842 §4: the same certificate on the same way is the same handshake, whatever is said about who begins.
fn shaken(peer: Fingerprint, setup: Setup, current: &Keying) -> Keying {
    match current {
        Keying::Dtls { peer: known, ours } if *known == peer => Keying::Dtls { peer, ours: *ours },
        _ => Keying::Dtls { peer, ours: setup },
    }
}

/// The best suite; of two lines with it the first.
fn best(lines: &[Crypto]) -> Option<&Crypto> {
    Suite::ALL.into_iter().find_map(|suite| lines.iter().find(|line| line.key.suite() == suite))
}
