//! Which challenges of a carrier are answered, and with what.
//!
//! A digest can be tried against every password in a dictionary by whoever gets it, so nobody gets one but the carrier
//! itself: that a challenge came from where the request went is for the caller to see to; here its realm must be the
//! carrier's own.

use std::collections::BTreeMap;

use rsip::{Header, Headers};
use vorzimmer_types::Entropy;
use zeroize::Zeroizing;

use crate::digest::{Answerer, Challenge, DigestError, Ha1};
use crate::header;
use crate::wire;

/// The most realms of one carrier.
const MAX_REALMS: usize = 4;
/// The most challenges of one answer that are looked at.
const MAX_CHALLENGES: usize = 8;

/// User name and password at a carrier.
#[derive(Clone)]
pub struct Login {
    /// User name of the digest.
    pub user: String,
    /// In the clear, for the realm is known only when it is asked for.
    pub password: Zeroizing<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(‹secret›)")
    }
}

/// Why a challenge is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no log-in for this trunk.
    #[error("it asks for a password and none is configured")]
    NoLogin,
    /// The realm is not the carrier's.
    #[error("its realm is not this trunk's own")]
    Realm,
    /// It is none that can be answered.
    #[error("{0}")]
    Unspoken(#[from] DigestError),
    /// The last answer was to this very question.
    #[error("the password or the user name is wrong")]
    Wrong,
}

/// What was answered for one request so far: nonces, so that the same question is not answered twice.
pub type Answered = Vec<String>;

/// The realms of one carrier, and the nonces in use.
#[derive(Debug)]
pub struct Keyring {
    login: Option<Login>,
    /// Those that are answered; empty: the first that the registrar names.
    realms: Vec<String>,
    /// By whether it was a proxy's, and the realm.
    in_use: BTreeMap<(bool, String), (Answerer, Ha1)>,
}

impl Keyring {
    /// For this log-in, and challenges of these realms; without any, of the one that the registrar names first.
    #[must_use]
    pub fn new(login: Option<Login>, realms: Vec<String>) -> Self {
        Self { login, realms, in_use: BTreeMap::new() }
    }

    /// Learns a 401 or 407 to a request for which `answered` was tried already. `by_registrar`: the request was our
    /// REGISTER, whose challenge may name the realm.
    ///
    /// # Errors
    /// [`Refusal`] if none of its challenges may be answered; then the request has failed.
    pub fn challenged(
        &mut self,
        headers: &Headers,
        by_registrar: bool,
        answered: &mut Answered,
    ) -> Result<(), Refusal> {
        let mut result = Err(Refusal::Unspoken(DigestError::Malformed));
        for (proxy, name) in [(false, "WWW-Authenticate"), (true, "Proxy-Authenticate")] {
            for challenge in best_of_each_realm(headers, name, &mut result) {
                let learned = self.learn(challenge, proxy, by_registrar, answered);
                // One that can be answered is enough: others along the way may be somebody else's (RFC 3261 §22.3).
                if result.is_err() || learned == Err(Refusal::Wrong) {
                    result = learned;
                }
            }
        }
        result
    }

    fn learn(
        &mut self,
        challenge: Challenge,
        proxy: bool,
        by_registrar: bool,
        answered: &mut Answered,
    ) -> Result<(), Refusal> {
        let login = self.login.as_ref().ok_or(Refusal::NoLogin)?;
        if self.realms.is_empty() && by_registrar {
            self.realms.push(challenge.realm.clone());
        }
        if !self.realms.contains(&challenge.realm) {
            return Err(Refusal::Realm);
        }
        // RFC 7616 §3.3: a nonce that was right and is old says so; the same question again says that the answer was wrong.
        if answered.contains(&challenge.mark()) || (answered.len() >= MAX_REALMS && !challenge.stale) {
            return Err(Refusal::Wrong);
        }
        if !challenge.stale && answered.iter().any(|mark| mark.starts_with(&challenge.realm_mark())) {
            return Err(Refusal::Wrong);
        }
        if answered.len() >= 2 * MAX_REALMS {
            return Err(Refusal::Wrong);
        }
        answered.push(challenge.mark());
        let ha1 = Ha1::new(&login.user, &challenge.realm, &login.password);
        let key = (proxy, challenge.realm.clone());
        if self.in_use.len() < MAX_REALMS || self.in_use.contains_key(&key) {
            self.in_use.insert(key, (Answerer::new(challenge), ha1));
        }
        Ok(())
    }

    /// Adds credentials for every realm that has asked for them, in the place of those that are there. A nonce whose
    /// count is used up is forgotten: the next challenge brings another.
    pub fn authorize(&mut self, method: &str, uri: &str, headers: &mut Headers, entropy: &mut dyn Entropy) {
        headers.retain(|line| !["Authorization", "Proxy-Authorization"].contains(&wire::name(line)));
        let Some(login) = &self.login else { return };
        self.in_use.retain(|(proxy, _), (answerer, ha1)| {
            let Ok(value) = answerer.answer(&login.user, ha1, method, uri, entropy) else { return false };
            headers.push(match proxy {
                true => Header::ProxyAuthorization(value.into()),
                false => Header::Authorization(value.into()),
            });
            true
        });
    }
}

/// The best challenge of each realm, SHA-256 before MD5 (RFC 8760 §2.4); what cannot be answered is noted in `result`.
fn best_of_each_realm(headers: &Headers, name: &str, result: &mut Result<(), Refusal>) -> Vec<Challenge> {
    let mut best: Vec<Challenge> = Vec::new();
    for text in header::values(headers, name).take(MAX_CHALLENGES) {
        match Challenge::parse(text) {
            Ok(next) => match best.iter_mut().find(|known| known.realm == next.realm) {
                Some(known) if next.algorithm > known.algorithm => *known = next,
                Some(_) => {}
                None => best.push(next),
            },
            Err(error) => *result = Err(Refusal::Unspoken(error)),
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use vorzimmer_types::entropy::Seeded;

    use super::*;
    use crate::digest::Algorithm;

    fn keyring(realms: &[&str]) -> Keyring {
        let login = Login { user: "anna".into(), password: Zeroizing::new("geheim".into()) };
        Keyring::new(Some(login), realms.iter().map(|realm| (*realm).to_owned()).collect())
    }

    fn asks(lines: &[(&str, &str)]) -> Headers {
        lines.iter().map(|(name, value)| wire::header(name, *value)).collect::<Vec<_>>().into()
    }

    fn answers(keyring: &mut Keyring) -> Vec<String> {
        let mut headers = Headers::default();
        keyring.authorize("REGISTER", "sip:carrier.example", &mut headers, &mut Seeded::new(1));
        headers.iter().map(|line| format!("{}: {}", wire::name(line), wire::value(line))).collect()
    }

    #[test]
    fn the_stronger_hash_of_each_realm_is_taken() {
        let mut keyring = keyring(&["a", "b"]);
        let headers = asks(&[
            ("WWW-Authenticate", r#"Digest realm="a", nonce="1", qop="auth", algorithm=MD5"#),
            ("WWW-Authenticate", r#"Digest realm="a", nonce="1", qop="auth,auth-int", algorithm=SHA-256"#),
            ("WWW-Authenticate", r#"Digest realm="a", nonce="1", qop="auth", algorithm=SHA-512-256"#),
            ("Proxy-Authenticate", r#"Digest realm="b", nonce="2""#),
        ]);
        keyring.challenged(&headers, false, &mut Vec::new()).unwrap();
        let answers = answers(&mut keyring);
        assert_eq!(answers.len(), 2);
        assert!(answers[0].starts_with("Authorization: ") && answers[0].contains("algorithm=SHA-256"));
        assert!(answers[1].starts_with("Proxy-Authorization: ") && answers[1].contains("algorithm=MD5"));
        assert!(answers.iter().all(|answer| !answer.contains("geheim")));
        assert!(Algorithm::Sha256 > Algorithm::Md5);
    }

    #[test]
    fn counts_go_on_beyond_a_byte_and_beyond_nothing() {
        let mut keyring = keyring(&["a"]);
        let headers = asks(&[("WWW-Authenticate", r#"Digest realm="a", nonce="1", qop="auth""#)]);
        keyring.challenged(&headers, false, &mut Vec::new()).unwrap();
        let last = (0..300).fold(Vec::new(), |_, _| answers(&mut keyring));
        assert!(last[0].contains("nc=0000012c"), "{last:?}");
        let in_use = keyring.in_use.values_mut().next().unwrap();
        in_use.0 = in_use.0.clone().counting_from(u32::MAX - 1);
        assert!(answers(&mut keyring)[0].contains("nc=ffffffff"));
        assert_eq!(
            answers(&mut keyring),
            Vec::<String>::new(),
            "the nonce is used up, and the next is asked for"
        );
    }

    #[test]
    fn nothing_is_answered_that_is_not_the_carriers() {
        let digest = |text: &str| asks(&[("Proxy-Authenticate", text)]);
        let cases = [
            (r#"Digest realm="evil", nonce="1""#, Refusal::Realm),
            (r#"Digest realm="a", nonce="1", qop="auth-int""#, Refusal::Unspoken(DigestError::Qop)),
            (r#"Digest realm="a", nonce="1", algorithm=MD5-sess"#, Refusal::Unspoken(DigestError::Algorithm)),
            (r#"Basic realm="a""#, Refusal::Unspoken(DigestError::Scheme)),
        ];
        for (text, refusal) in cases {
            let mut keyring = keyring(&["a"]);
            assert_eq!(keyring.challenged(&digest(text), false, &mut Vec::new()), Err(refusal), "{text}");
            assert!(answers(&mut keyring).is_empty());
        }
        let mut unpinned = keyring(&[]);
        let first = digest(r#"Digest realm="x", nonce="1""#);
        assert_eq!(unpinned.challenged(&first, false, &mut Vec::new()), Err(Refusal::Realm));
        unpinned.challenged(&first, true, &mut Vec::new()).unwrap();
        let other = digest(r#"Digest realm="y", nonce="1""#);
        assert_eq!(unpinned.challenged(&other, true, &mut Vec::new()), Err(Refusal::Realm), "pinned");
        let mut nobody = Keyring::new(None, vec!["x".into()]);
        assert_eq!(nobody.challenged(&first, true, &mut Vec::new()), Err(Refusal::NoLogin));
    }

    #[test]
    fn stale_is_answered_again_and_the_same_question_is_not() {
        let ask = |nonce: &str, stale: &str| {
            asks(&[("WWW-Authenticate", &format!("Digest realm=\"a\", nonce=\"{nonce}\"{stale}"))])
        };
        let (mut keyring, mut answered) = (keyring(&["a"]), Vec::new());
        keyring.challenged(&ask("1", ""), false, &mut answered).unwrap();
        keyring.challenged(&ask("2", ", stale=true"), false, &mut answered).unwrap();
        assert_eq!(keyring.challenged(&ask("3", ""), false, &mut answered), Err(Refusal::Wrong));
        assert_eq!(keyring.challenged(&ask("2", ", stale=true"), false, &mut answered), Err(Refusal::Wrong));
        let mut forever = Vec::new();
        let tries = (0..100)
            .take_while(|n| {
                keyring.challenged(&ask(&n.to_string(), ", stale=TRUE"), false, &mut forever).is_ok()
            })
            .count();
        assert!(tries < 10, "a server that finds every nonce stale is not asked for ever");
        let mut later = Vec::new();
        keyring.challenged(&ask("9", ""), false, &mut later).unwrap();
    }
}
