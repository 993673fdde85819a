//! Who is this? Digest credentials of a request held against trunks and receptionists.
//!
//! The arithmetic and the nonces are in [`crate::digest`]; what a proven peer may do is decided in [`crate::ua`].

use std::time::{Duration, Instant};

use rsip::{Header, Request};
use vorzimmer_types::{Entropy, Pii};

use crate::digest::{Credentials, Gate, Ha1, Verdict};
use crate::header;
use crate::uri::Uri;
use crate::wire::method_name;

/// How long a nonce is good: the longer, the rarer a re-registration costs two more messages.
const NONCE_LIFETIME: Duration = Duration::from_secs(600);
/// The most Authorization headers that are looked at.
const MAX_CREDENTIALS: usize = 4;

/// What a request's credentials proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof<T> {
    /// There were none for our realm.
    None,
    /// This user knows the password, and this answer was never used before.
    Good {
        /// User name as sent.
        user: Pii<String>,
        /// What the look-up found for it.
        who: T,
    },
    /// The password is right, the nonce or its count is not.
    Stale,
    /// No such user, or a wrong password, or unreadable: which of them is not told.
    Bad,
}

/// Challenges and judges.
///
/// The gate is opened at the first request, because only then there is a clock to count nonces from.
#[derive(Debug)]
pub struct Gatekeeper {
    realm: String,
    gate: Option<Gate>,
}

impl Gatekeeper {
    /// For this realm.
    #[must_use]
    pub fn new(realm: &str) -> Self {
        Self { realm: realm.to_owned(), gate: None }
    }

    /// WWW-Authenticate headers: SHA-256 first, then MD5 (RFC 8760 §2.4).
    pub fn challenges(&mut self, stale: bool, now: Instant, entropy: &mut dyn Entropy) -> [Header; 2] {
        let challenges = self.gate(now, entropy).challenges(stale, now, entropy);
        challenges.map(|challenge| Header::WwwAuthenticate(challenge.into()))
    }

    /// Judges the credentials of a request. `look_up` gives who a user name belongs to, and the secret.
    pub fn prove<T>(
        &mut self,
        request: &Request,
        now: Instant,
        entropy: &mut dyn Entropy,
        look_up: impl Fn(&str) -> Option<(T, Ha1)>,
    ) -> Proof<T> {
        let mut outcome = Proof::None;
        let uri = Uri::from(&request.uri);
        let method = method_name(request.method);
        for value in header::values(&request.headers, "Authorization").take(MAX_CREDENTIALS) {
            let Ok(credentials) = Credentials::parse(value) else {
                outcome = Proof::Bad;
                continue;
            };
            if credentials.realm != self.realm {
                // For somebody else along the way (§22.3).
                continue;
            }
            let user = Pii::new(credentials.user.clone().into_owned());
            let (who, secret) = look_up(user.expose()).unzip();
            outcome = match (
                self.gate(now, entropy).check(&credentials, method, &uri, secret.as_ref(), now),
                who,
            ) {
                (Verdict::Accepted, Some(who)) => return Proof::Good { user, who },
                (Verdict::Stale, Some(_)) => Proof::Stale,
                _ => Proof::Bad,
            };
        }
        outcome
    }

    fn gate(&mut self, now: Instant, entropy: &mut dyn Entropy) -> &mut Gate {
        let realm = &self.realm;
        self.gate.get_or_insert_with(|| Gate::new(realm, NONCE_LIFETIME, now, entropy))
    }
}
