//! The challenging side: who is this, and is it really he?

use std::borrow::Cow;
use std::time::{Duration, Instant};

use vorzimmer_types::Entropy;

use super::hash::Ingredients;
use super::{Algorithm, DigestError, Freshness, Ha1, NonceBook};
use crate::chars::push_quoted;
use crate::header::Auth;
use crate::uri::Uri;

/// The credentials of a request, read and not yet believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Who it says it is.
    pub user: Cow<'a, str>,
    /// For which realm.
    pub realm: Cow<'a, str>,
    algorithm: Algorithm,
    nonce: Cow<'a, str>,
    cnonce: Cow<'a, str>,
    nc: Cow<'a, str>,
    count: u32,
    uri: Cow<'a, str>,
    response: Cow<'a, str>,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, ‹redacted›)", self.algorithm.name())
    }
}

impl<'a> Credentials<'a> {
    /// Reads the value of Authorization or Proxy-Authorization.
    ///
    /// # Errors
    /// [`DigestError`] if it is not a Digest response with `qop=auth` that we could have asked for.
    pub fn parse(text: &'a str) -> Result<Self, DigestError> {
        let auth = Auth::parse("Authorization", text).map_err(|_| DigestError::Malformed)?;
        if !auth.is_digest() {
            return Err(DigestError::Scheme);
        }
        let need = |name| auth.get(name).ok_or(DigestError::Malformed);
        let algorithm = Algorithm::named(auth.get("algorithm").as_deref()).ok_or(DigestError::Algorithm)?;
        if !auth.get("qop").ok_or(DigestError::Qop)?.eq_ignore_ascii_case("auth") {
            return Err(DigestError::Qop);
        }
        let nc = need("nc")?;
        Ok(Self {
            user: need("username")?,
            realm: need("realm")?,
            algorithm,
            nonce: need("nonce")?,
            cnonce: need("cnonce")?,
            count: count(&nc).ok_or(DigestError::Malformed)?,
            nc,
            uri: need("uri")?,
            response: need("response")?,
        })
    }
}

/// RFC 7616 §3.4: `nc` is eight hexadecimal digits.
fn count(text: &str) -> Option<u32> {
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

/// What became of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The user knows the password, and this response was never seen before.
    Accepted,
    /// The password is right, the nonce is not: challenge with `stale`, so that nobody is asked for the password again.
    Stale,
    /// Unknown user or wrong password: which of them is not told.
    Refused,
}

/// One realm's challenges and the nonces in use.
#[derive(Debug)]
pub struct Gate {
    realm: String,
    book: NonceBook,
    /// Checked against when there is no such user, so that both take the same time.
    decoy: Ha1,
}

impl Gate {
    /// A gate for `realm`, whose nonces live for `lifetime`.
    #[must_use]
    pub fn new(realm: &str, lifetime: Duration, now: Instant, entropy: &mut dyn Entropy) -> Self {
        let decoy: [u8; 48] = vorzimmer_types::entropy::array(entropy);
        let secret = vorzimmer_types::entropy::array(entropy);
        let (mut md5, mut sha256) = ([0; 16], [0; 32]);
        let (first, second) = decoy.split_at(16);
        md5.copy_from_slice(first);
        sha256.copy_from_slice(second);
        Self {
            realm: realm.to_owned(),
            book: NonceBook::new(secret, lifetime, now),
            decoy: Ha1::from_hashes(md5, sha256),
        }
    }

    /// The realm.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// How many nonces take memory.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.book.remembered()
    }

    /// The values of two WWW-Authenticate headers, the stronger algorithm first (RFC 8760 §2.3).
    #[must_use]
    pub fn challenges(&self, stale: bool, now: Instant, entropy: &mut dyn Entropy) -> [String; 2] {
        let nonce = self.book.issue(now, entropy);
        [Algorithm::Sha256, Algorithm::Md5].map(|algorithm| self.challenge(algorithm, &nonce, stale))
    }

    fn challenge(&self, algorithm: Algorithm, nonce: &str, stale: bool) -> String {
        let mut text = String::with_capacity(192);
        text.push_str("Digest realm=");
        push_quoted(&self.realm, &mut text);
        // No opaque: the nonce tells all, and each byte counts (see `NonceBook`).
        let name = algorithm.name();
        text.push_str(&format!(
            ", nonce=\"{nonce}\", algorithm={name}, qop=\"auth\"{}",
            if stale { ", stale=true" } else { "" }
        ));
        text
    }

    /// Judges credentials for a request. `stored` is what belongs to [`Credentials::user`], none if there is no such user.
    pub fn check(
        &mut self,
        credentials: &Credentials<'_>,
        method: &str,
        request_uri: &Uri,
        stored: Option<&Ha1>,
        now: Instant,
    ) -> Verdict {
        let ingredients = Ingredients {
            algorithm: credentials.algorithm,
            nonce: &credentials.nonce,
            count: Some((&credentials.nc, &credentials.cnonce)),
            method,
            uri: &credentials.uri,
        };
        let right = ingredients.matches(stored.unwrap_or(&self.decoy), &credentials.response);
        let meant = credentials.realm == self.realm && means(&credentials.uri, request_uri);
        if stored.is_none() || !right || !meant {
            return Verdict::Refused;
        }
        // Only now, when the password is proven, may the nonce take memory.
        match self.book.spend(&credentials.nonce, credentials.count, now) {
            Freshness::Fresh => Verdict::Accepted,
            Freshness::Stale => Verdict::Stale,
        }
    }
}

/// RFC 7616 §3.4.6: the digest's `uri` must mean the resource of the request line. Phones differ in port and parameters
/// between the two, so user and host decide; what was signed cannot be used a second time anyway.
fn means(signed: &str, request_uri: &Uri) -> bool {
    Uri::parse(signed).is_ok_and(|signed| {
        let bare =
            |uri: &Uri| Uri { port: None, params: Vec::new(), rest: None, password: None, ..uri.clone() };
        bare(&signed).same_as(&bare(request_uri))
    })
}
