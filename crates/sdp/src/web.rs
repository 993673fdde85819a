//! What a browser's description has besides (RFC 8829): ICE (RFC 8839), DTLS-SRTP (RFC 8842), one port for all
//! (RFC 8843, RFC 5761).
//!
//! We are ICE-lite: our only candidate is the port of all browsers, told at once; theirs are not even read, since it
//! is they who find us. Trickled candidates, header extensions and feedback are never answered.

use vorzimmer_types::Entropy;
use vorzimmer_types::dtls::{Fingerprint, Setup};
use vorzimmer_types::ice::{Credentials, Ends};
use vorzimmer_types::srtp::Keying;

use crate::lines::Lines;
use crate::text::{Attribute, MediaText, Text};
use crate::{AudioMedia, Refusal, Transport};

/// Most fingerprints that are read of one audio line.
const MAX_FINGERPRINTS: usize = 8;
/// Longest `a=mid` that is kept, in bytes.
const MAX_MID: usize = 64;
/// What an audio line of ours is called.
const MID: &str = "0";
/// RFC 8445 §5.1.2.1 for a host candidate: type 126, any local preference, component 1.
const PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

/// What an audio line says about DTLS-SRTP.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Dtls {
    /// Its maker's certificate by every hash that is known here (RFC 8122).
    pub fingerprints: Vec<Fingerprint>,
    /// Who begins the handshake.
    pub setup: Option<Setup>,
}

impl Dtls {
    /// What we say of our certificate.
    pub(crate) fn of(ours: Fingerprint, setup: Setup) -> Self {
        Self { fingerprints: vec![ours], setup: Some(setup) }
    }

    /// RFC 8122 §5: of several the one by the strongest hash.
    pub(crate) fn strongest(&self) -> Option<Fingerprint> {
        self.fingerprints.iter().max_by_key(|fingerprint| fingerprint.hash().length()).copied()
    }
}

/// What an audio line says about ICE and what comes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Web {
    /// How its maker is addressed in checks.
    pub ice: Credentials,
    /// Its maker only answers checks (RFC 8445 §2.5).
    pub lite: bool,
    /// RTCP comes on the same port (RFC 5761).
    pub mux: bool,
    /// The line's name (RFC 5888 §4).
    pub mid: Option<String>,
    /// The line is bundled (RFC 8843).
    pub bundled: bool,
}

/// Our end towards a browser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Browser {
    /// How we are addressed in checks: made for this leg.
    pub ice: Credentials,
    /// Our certificate.
    pub fingerprint: Fingerprint,
}

/// What was agreed on with a browser.
pub(crate) type Agreed = (Keying, Ends);

impl Browser {
    /// An end that is not there: to try whether an offer could be answered.
    pub fn nobodys(random: &mut dyn Entropy) -> Self {
        Self { ice: Credentials::random("", random), fingerprint: Fingerprint::ZERO }
    }

    /// The same end as it is addressed now.
    pub(crate) fn as_of(self, agreed: Option<Ends>) -> Self {
        Self { ice: agreed.map_or(self.ice, |ends| ends.ours), ..self }
    }

    /// The same end as it is addressed when the peer calls itself so: by another name than before it begins ICE anew, and
    /// then both ends do (RFC 8839 §4.4.2).
    fn towards(
        self,
        theirs: Credentials,
        agreed: Option<Ends>,
        random: &mut (impl Entropy + ?Sized),
    ) -> Self {
        let now = self.as_of(agreed);
        match agreed {
            Some(ends) if ends.theirs != theirs => Self { ice: now.ice.renewed(random), ..now },
            _ => now,
        }
    }

    /// What an offer of ours says. RFC 5763 §5: whoever offers lets the other choose who begins.
    pub(crate) fn offer(&self, audio: AudioMedia) -> AudioMedia {
        let web = Web { ice: self.ice, lite: true, mux: true, mid: Some(MID.to_owned()), bundled: true };
        AudioMedia {
            transport: Transport::DtlsSavpf,
            web: Some(Box::new(web)),
            ..self.dtls(audio, Setup::ActPass)
        }
    }

    /// How a browser's offer is answered: `audio`, completed, and what is agreed on.
    pub(crate) fn answer(
        &self,
        audio: AudioMedia,
        offer: &AudioMedia,
        current: (&Keying, Option<Ends>),
        random: &mut (impl Entropy + ?Sized),
    ) -> Result<(AudioMedia, Agreed), Refusal> {
        let (keying, ends) = current;
        let (dtls, web) = needed(offer)?;
        let ours = match (dtls.setup, keying) {
            // RFC 8842 §5.5: roles do not change while the handshake's fruit is used.
            (Some(Setup::ActPass), Keying::Dtls { ours, .. }) => *ours,
            // RFC 5763 §5: the answerer should begin, but a browser's way to us is open before ours to it.
            (Some(Setup::Active | Setup::ActPass), _) => Setup::Passive,
            (Some(Setup::Passive), _) => Setup::Active,
            (None, _) => return Err(Refusal::NoHandshake),
        };
        let ice = self.towards(web.ice, ends, random).ice;
        let agreed = (self.keying(dtls, ours)?, Ends { ours: ice, theirs: web.ice });
        let ours_web = Web { ice, lite: true, mux: true, ..web.clone() };
        let audio = AudioMedia {
            transport: offer.transport.clone(),
            web: Some(Box::new(ours_web)),
            ..self.dtls(audio, ours)
        };
        Ok((audio, agreed))
    }

    /// What a browser's answer makes of our offer.
    pub(crate) fn accept(&self, answer: &AudioMedia) -> Result<Agreed, Refusal> {
        let (dtls, web) = needed(answer)?;
        let ours = match dtls.setup {
            Some(Setup::Active) => Setup::Passive,
            Some(Setup::Passive) => Setup::Active,
            // RFC 8842 §5.3: an answer decides.
            Some(Setup::ActPass) | None => return Err(Refusal::NoHandshake),
        };
        Ok((self.keying(dtls, ours)?, Ends { ours: self.ice, theirs: web.ice }))
    }

    fn keying(&self, theirs: &Dtls, ours: Setup) -> Result<Keying, Refusal> {
        let peer = theirs.strongest().ok_or(Refusal::NoHandshake)?;
        Ok(Keying::Dtls { peer, ours })
    }

    fn dtls(&self, audio: AudioMedia, setup: Setup) -> AudioMedia {
        let dtls = Dtls::of(self.fingerprint, setup);
        AudioMedia { dtls: Some(dtls), crypto: Vec::new(), ..audio }
    }
}

/// What a line must have to be a browser's.
fn needed(audio: &AudioMedia) -> Result<(&Dtls, &Web), Refusal> {
    if !matches!(audio.transport, Transport::DtlsSavp | Transport::DtlsSavpf) {
        return Err(Refusal::Transport);
    }
    let dtls = audio.dtls.as_ref().ok_or(Refusal::NoHandshake)?;
    // Two lite ends would wait for each other; and there is one port here, not two.
    let web = audio.web.as_deref().filter(|web| web.mux && !web.lite).ok_or(Refusal::NoPath)?;
    Ok((dtls, web))
}

impl AudioMedia {
    /// Whether a browser made it: it wants ICE and DTLS-SRTP.
    #[must_use]
    pub fn is_browsers(&self) -> bool {
        self.web.is_some() && self.dtls.is_some()
    }
}

/// Reads what a line, or the whole description, says about DTLS.
pub(crate) fn dtls_of(session: &Text<'_>, media: &MediaText<'_>) -> Option<Dtls> {
    let values = |attributes: &[Attribute<'_>]| -> Vec<Fingerprint> {
        let all = attributes.iter().filter(|a| a.name.eq_ignore_ascii_case("fingerprint"));
        all.filter_map(|a| a.value?.parse().ok()).take(MAX_FINGERPRINTS).collect()
    };
    let own = values(&media.attributes);
    let fingerprints = if own.is_empty() { values(&session.attributes) } else { own };
    let setup = value(session, media, "setup").and_then(Setup::named);
    (!fingerprints.is_empty()).then_some(Dtls { fingerprints, setup })
}

/// Reads what a line, or the whole description, says about ICE.
pub(crate) fn web_of(session: &Text<'_>, media: &MediaText<'_>) -> Option<Box<Web>> {
    let (ufrag, password) = (value(session, media, "ice-ufrag")?, value(session, media, "ice-pwd")?);
    let ice = Credentials::new(ufrag, password)?;
    let mid = value(session, media, "mid").filter(|mid| !mid.is_empty() && mid.len() <= MAX_MID);
    let bundles = session.attributes.iter().filter(|a| a.name.eq_ignore_ascii_case("group"));
    let mut bundles = bundles.filter_map(|a| a.value?.trim().strip_prefix("BUNDLE"));
    let bundled =
        mid.is_some_and(|mid| bundles.any(|names| names.split_whitespace().any(|name| name == mid)));
    Some(Box::new(Web {
        ice,
        lite: session.attributes.iter().any(|a| a.name.eq_ignore_ascii_case("ice-lite")),
        mux: muxes(media),
        mid: mid.map(str::to_owned),
        bundled,
    }))
}

/// Whether RTCP comes on the same port (RFC 5761).
pub(crate) fn muxes(media: &MediaText<'_>) -> bool {
    media.attributes.iter().any(|a| a.name.eq_ignore_ascii_case("rtcp-mux"))
}

/// A media attribute, else the session's.
fn value<'a>(session: &Text<'a>, media: &MediaText<'a>, name: &str) -> Option<&'a str> {
    let named = |attributes: &[Attribute<'a>]| {
        attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name)).and_then(|a| a.value)
    };
    named(&media.attributes).or_else(|| named(&session.attributes)).map(str::trim)
}

/// Says what the line has of both.
pub(crate) fn print(audio: &AudioMedia, out: &mut Lines) {
    if let Some(web) = &audio.web {
        if let Some(mid) = &web.mid {
            out.attribute("mid", format_args!("{mid}"));
        }
        out.attribute("ice-ufrag", format_args!("{}", web.ice.ufrag()));
        out.attribute("ice-pwd", format_args!("{}", web.ice.password()));
        if let Some(addr) = audio.addr.filter(|_| web.lite) {
            let port = audio.port;
            out.attribute("candidate", format_args!("1 1 udp {PRIORITY} {addr} {port} typ host"));
            out.flag("end-of-candidates");
        }
        if web.mux {
            out.flag("rtcp-mux");
        }
    }
    if audio.mux && audio.web.is_none() {
        out.flag("rtcp-mux");
    }
    let Some(dtls) = &audio.dtls else { return };
    for fingerprint in &dtls.fingerprints {
        out.attribute("fingerprint", format_args!("{fingerprint}"));
    }
    if let Some(setup) = dtls.setup {
        out.attribute("setup", format_args!("{}", setup.name()));
    }
}

/// What stands on top for all lines: who is lite, what is bundled.
pub(crate) fn print_top<'a>(lines: impl Iterator<Item = &'a AudioMedia>, out: &mut Lines) {
    let webs: Vec<&Web> = lines.filter_map(|audio| audio.web.as_deref()).collect();
    if webs.iter().any(|web| web.lite) {
        out.flag("ice-lite");
    }
    let bundled: Vec<&str> =
        webs.iter().filter(|web| web.bundled).filter_map(|web| web.mid.as_deref()).collect();
    if !bundled.is_empty() {
        out.attribute("group", format_args!("BUNDLE {}", bundled.join(" ")));
    }
}
