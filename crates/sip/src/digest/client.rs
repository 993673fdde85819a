//! The challenged side: answering 401 and 407.

use vorzimmer_types::Entropy;

use super::hash::Ingredients;
use super::{Algorithm, DigestError, Ha1};
use crate::chars::push_quoted;
use crate::header::Auth;

/// A challenge that we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose passwords are meant.
    pub realm: String,
    /// By which hash.
    pub algorithm: Algorithm,
    /// Our last answer was right but its nonce was old: answer again without asking anybody (RFC 7616 §3.3).
    pub stale: bool,
    nonce: String,
    opaque: Option<String>,
    /// Whether `qop=auth` was offered; without it the answer is that of RFC 2069.
    qop: bool,
}

impl Challenge {
    /// Reads the value of WWW-Authenticate or Proxy-Authenticate.
    ///
    /// # Errors
    /// [`DigestError`] if it is not a Digest challenge with an algorithm and a qop that are spoken here.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let auth = Auth::parse("WWW-Authenticate", text).map_err(|_| DigestError::Malformed)?;
        if !auth.is_digest() {
            return Err(DigestError::Scheme);
        }
        let need = |name| auth.get(name).map(|value| value.into_owned()).ok_or(DigestError::Malformed);
        let offered = auth.get("qop");
        let qop =
            offered.as_deref().map(|list| list.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")));
        if qop == Some(false) {
            return Err(DigestError::Qop);
        }
        Ok(Self {
            realm: need("realm")?,
            algorithm: Algorithm::named(auth.get("algorithm").as_deref()).ok_or(DigestError::Algorithm)?,
            stale: auth.get("stale").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            nonce: need("nonce")?,
            opaque: auth.get("opaque").map(|value| value.into_owned()),
            qop: qop.is_some(),
        })
    }

    /// What tells this question from another: realm and nonce. Not for people: a nonce is part of a secret's proof.
    #[must_use]
    pub(crate) fn mark(&self) -> String {
        format!("{}{}", self.realm_mark(), self.nonce)
    }

    /// How [`Self::mark`] begins for every question of this realm.
    #[must_use]
    pub(crate) fn realm_mark(&self) -> String {
        format!("{}:{}\n", self.realm.len(), self.realm)
    }

    /// The best of several challenges: SHA-256 before MD5 (RFC 8760 §2.4 leaves the choice to us; the stronger wins).
    ///
    /// # Errors
    /// The error of the last one if none can be answered, [`DigestError::Malformed`] if there is none.
    pub fn best<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, DigestError> {
        let mut best: Result<Self, _> = Err(DigestError::Malformed);
        for text in texts {
            best = match (best, Self::parse(text)) {
                (Ok(best), Ok(next)) if next.algorithm > best.algorithm => Ok(next),
                (Ok(best), _) => Ok(best),
                (Err(_), next) => next,
            };
        }
        best
    }
}

/// Answers the requests under one challenge, counting them.
#[derive(Clone, Debug)]
pub struct Answerer {
    challenge: Challenge,
    count: u32,
}

impl Answerer {
    /// For the requests that follow this challenge.
    #[must_use]
    pub fn new(challenge: Challenge) -> Self {
        Self { challenge, count: 0 }
    }

    /// The realm whose password is wanted.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.challenge.realm
    }

    /// The value of Authorization or Proxy-Authorization for one request. `uri` is the Request-URI as printed.
    ///
    /// # Errors
    /// [`DigestError::CountUsedUp`] after 2³²−1 requests.
    pub fn answer(
        &mut self,
        user: &str,
        ha1: &Ha1,
        method: &str,
        uri: &str,
        entropy: &mut dyn Entropy,
    ) -> Result<String, DigestError> {
        self.count = self.count.checked_add(1).ok_or(DigestError::CountUsedUp)?;
        let cnonce = hex::encode(vorzimmer_types::entropy::array::<16>(entropy));
        Ok(self.with_cnonce(user, ha1, method, uri, &cnonce))
    }

    /// The same after so many requests.
    #[cfg(test)]
    pub(crate) fn counting_from(self, count: u32) -> Self {
        Self { count, ..self }
    }

    fn with_cnonce(&self, user: &str, ha1: &Ha1, method: &str, uri: &str, cnonce: &str) -> String {
        let Challenge { realm, algorithm, nonce, opaque, qop, .. } = &self.challenge;
        let nc = format!("{:08x}", self.count);
        let count = qop.then_some((nc.as_str(), cnonce));
        let response = Ingredients { algorithm: *algorithm, nonce, count, method, uri }.response(ha1);
        let mut text = String::with_capacity(384);
        let mut lead = "Digest ";
        for (name, value) in [("username", user), ("realm", realm), ("nonce", nonce), ("uri", uri)] {
            text.push_str(&format!("{lead}{name}="));
            push_quoted(value, &mut text);
            lead = ", ";
        }
        text.push_str(&format!(", response=\"{response}\", algorithm={}", algorithm.name()));
        if *qop {
            // RFC 7616 §3.4: qop and nc are written without quotes.
            text.push_str(&format!(", qop=auth, nc={nc}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = opaque {
            text.push_str(", opaque=");
            push_quoted(opaque, &mut text);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use vorzimmer_types::entropy::Seeded;

    use super::super::{Credentials, Gate, Verdict};
    use super::*;
    use crate::uri::Uri;

    const LIFE: Duration = Duration::from_secs(300);

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn gate() -> (Gate, Instant, Seeded) {
        let (now, mut entropy) = (Instant::now(), Seeded::new(1));
        (Gate::new("vorzimmer \"x\"", LIFE, now, &mut entropy), now, entropy)
    }

    #[test]
    fn rfc7616_section_3_9_1_is_answered_as_printed_there() {
        let text = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
            nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
            opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let mut answerer = Answerer::new(Challenge::parse(text).unwrap());
        answerer.count = 1;
        let ha1 = Ha1::new("Mufasa", "http-auth@example.org", "Circle of Life");
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let answer = answerer.with_cnonce("Mufasa", &ha1, "GET", "/dir/index.html", cnonce);
        let auth = Auth::parse("Authorization", &answer).unwrap();
        assert_eq!(
            auth.get("response").as_deref(),
            Some("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")
        );
        assert_eq!(auth.get("opaque").as_deref(), Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"));
        assert!(answer.contains("qop=auth, nc=00000001,"));
    }

    #[test]
    fn both_sides_agree_beyond_255_requests_on_one_nonce() {
        let (mut gate, now, mut entropy) = gate();
        let stored = Ha1::new("erika", gate.realm(), "geheim");
        let uri = Uri::parse("sip:vorzimmer.example.com").unwrap();
        let challenges = gate.challenges(false, now, &mut entropy);
        let best = Challenge::best(challenges.iter().map(String::as_str)).unwrap();
        assert_eq!(best.algorithm, Algorithm::Sha256);
        for challenge in [best, Challenge::parse(&challenges[1]).unwrap()] {
            let mut answerer = Answerer::new(challenge.clone());
            let mut last = String::new();
            for _ in 0..300 {
                last = answerer
                    .answer("erika", &stored, "REGISTER", "sip:vorzimmer.example.com:5060", &mut entropy)
                    .unwrap();
                let credentials = Credentials::parse(&last).unwrap();
                assert_eq!(credentials.user, "erika");
                let verdict = gate.check(&credentials, "REGISTER", &uri, Some(&stored), now);
                // Both algorithms share the nonce, so the counts of the first are used for the second.
                let expected = match challenge.algorithm {
                    Algorithm::Sha256 => Verdict::Accepted,
                    Algorithm::Md5 => Verdict::Stale,
                };
                assert_eq!(verdict, expected);
            }
            let replay = Credentials::parse(&last).unwrap();
            assert_eq!(gate.check(&replay, "REGISTER", &uri, Some(&stored), now), Verdict::Stale);
        }
    }

    #[test]
    fn nobody_gets_in_otherwise() {
        let (mut gate, now, mut entropy) = gate();
        let stored = Ha1::new("erika", gate.realm(), "geheim");
        let wrong = Ha1::new("erika", gate.realm(), "falsch");
        let uri = Uri::parse("sip:example.com").unwrap();
        let [_, md5] = gate.challenges(false, now, &mut entropy);
        let mut answerer = Answerer::new(Challenge::parse(&md5).unwrap());
        let mut answer =
            |ha1: &Ha1, uri: &str| answerer.answer("erika", ha1, "REGISTER", uri, &mut entropy).unwrap();
        let good = answer(&stored, "sip:example.com");
        let cases = [
            (
                answer(&wrong, "sip:example.com"),
                "REGISTER",
                Some(&stored),
                Verdict::Refused,
                "wrong password",
            ),
            (good.clone(), "REGISTER", None, Verdict::Refused, "no such user"),
            (good.clone(), "INVITE", Some(&stored), Verdict::Refused, "another method"),
            (answer(&stored, "sip:example.org"), "REGISTER", Some(&stored), Verdict::Refused, "another host"),
            (good.replace("vorzimmer", "elsewhere"), "REGISTER", Some(&stored), Verdict::Refused, "realm"),
            (good.replace("nc=00000001", "nc=00000002"), "REGISTER", Some(&stored), Verdict::Refused, "nc"),
            (good.clone(), "REGISTER", Some(&stored), Verdict::Accepted, "the real one"),
        ];
        for (text, method, stored, verdict, why) in &cases {
            let credentials = Credentials::parse(text).unwrap();
            assert_eq!(gate.check(&credentials, method, &uri, *stored, now), *verdict, "{why}");
        }
        assert_eq!(gate.remembered(), 1);
    }

    #[test]
    fn a_right_password_on_an_old_nonce_is_only_stale() {
        let (mut gate, now, mut entropy) = gate();
        let stored = Ha1::new("erika", gate.realm(), "geheim");
        let uri = Uri::parse("sip:example.com").unwrap();
        let [text, _] = gate.challenges(true, now, &mut entropy);
        let challenge = Challenge::parse(&text).unwrap();
        assert!(challenge.stale);
        let answer = Answerer::new(challenge)
            .answer("erika", &stored, "REGISTER", "sip:example.com", &mut entropy)
            .unwrap();
        let credentials = Credentials::parse(&answer).unwrap();
        let late = now + LIFE + Duration::from_secs(1);
        assert_eq!(gate.check(&credentials, "REGISTER", &uri, Some(&stored), late), Verdict::Stale);
        let mut restarted = Gate::new(gate.realm(), LIFE, now, &mut Seeded::new(2));
        assert_eq!(restarted.check(&credentials, "REGISTER", &uri, Some(&stored), now), Verdict::Stale);
    }

    #[test]
    fn what_we_do_not_speak_is_refused_cleanly() {
        let with = |rest: &str| Challenge::parse(&format!("Digest realm=\"r\", nonce=\"n\"{rest}")).map(drop);
        assert_eq!(with(", qop=\"auth-int\""), Err(DigestError::Qop));
        assert_eq!(with(", qop=\"auth-int, AUTH\""), Ok(()));
        assert_eq!(with(", algorithm=SHA-512-256"), Err(DigestError::Algorithm));
        assert_eq!(with(", algorithm=MD5-sess"), Err(DigestError::Algorithm));
        assert_eq!(with(""), Ok(()));
        assert_eq!(Challenge::parse("Basic realm=\"r\"").map(drop), Err(DigestError::Scheme));
        assert_eq!(Challenge::parse("Digest realm=\"r\"").map(drop), Err(DigestError::Malformed));
        let base =
            "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"0\", cnonce=\"c\"";
        for (rest, error) in [
            (", nc=00000001", DigestError::Qop),
            (", nc=00000001, qop=auth-int", DigestError::Qop),
            (", qop=auth", DigestError::Malformed),
            (", qop=auth, nc=1", DigestError::Malformed),
            (", qop=auth, nc=+0000001", DigestError::Malformed),
            (", qop=auth, nc=0000001g", DigestError::Malformed),
        ] {
            assert_eq!(Credentials::parse(&format!("{base}{rest}")).map(drop), Err(error), "{rest}");
        }
    }
}
