//! What clients cannot do, each with its proof: the client itself is asked in every run.

use std::process::{Command, Stdio};

use vorzimmer_tests::server;

use crate::rows;

/// A row that a client cannot play.
pub struct Limit {
    /// The row.
    pub row: &'static str,
    /// What it lacks.
    pub why: &'static str,
    /// How it is known.
    pub proof: Proof,
}

/// How a limit is known.
pub enum Proof {
    /// The client is asked by this command line (in a shell, at the top of the workspace), and says these words.
    Says(&'static str, &'static str),
    /// The same, and among what it says these words are not.
    Lacks(&'static str, &'static str),
    /// Its documentation says so.
    Documented(&'static str),
}

impl Limit {
    /// Asks the client.
    ///
    /// # Errors
    /// It says something else now.
    pub fn prove(&self) -> Result<(), String> {
        match &self.proof {
            Proof::Says(command, words) => {
                let said = ask(command);
                said.contains(words).then_some(()).ok_or_else(|| format!("`{command}` said {said}"))
            }
            Proof::Lacks(command, words) => {
                let said = ask(command);
                let lacks = !said.trim().is_empty() && !said.contains(words);
                lacks.then_some(()).ok_or_else(|| format!("`{command}` said {said}"))
            }
            Proof::Documented(_) => Ok(()),
        }
    }

    /// As it stands below the table.
    pub fn text(&self) -> String {
        let why = self.why;
        match &self.proof {
            Proof::Says(command, words) => format!("{why} `{command}` says: “{words}”"),
            Proof::Lacks(command, words) => format!("{why} `{command}` says nothing of “{words}”."),
            Proof::Documented(words) => format!("{why} {words}"),
        }
    }
}

fn ask(command: &str) -> String {
    let asked = Command::new("bash")
        .args(["-c", command])
        .current_dir(server::workspace())
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    String::from_utf8_lossy(&asked.stdout).into_owned() + &String::from_utf8_lossy(&asked.stderr)
}

/// Debian's baresip.
pub const DEBIAN: &[Limit] = &[
    Limit {
        row: rows::ATTENDED,
        why: "Its menu transfers a call to an address, not to another call.",
        proof: Proof::Lacks("strings -a /usr/lib/baresip/modules/menu.so | grep -i transfer", "attended"),
    },
    Limit {
        row: rows::IN_BAND,
        why: "It presses keys by RTP event or INFO (`tests/talk.rs` plays it the tones as its voice instead).",
        proof: Proof::Documented("Its README says: “DTMF support (RTP, SIP INFO)”."),
    },
];

/// baresip-python.
pub const BARESIP_PYTHON: &[Limit] = &[Limit {
    row: rows::IN_BAND,
    why: "It has no tones for keys.",
    proof: Proof::Says(
        "tests/interop/.venv/bin/python -c \"import baresip; baresip.Account(user='a', domain='b', password='', dtmf_mode='inband')\"",
        "dtmf_mode must be one of ('rtpevent', 'info', 'auto'), got 'inband'",
    ),
}];

/// pjsua2-python.
pub const PJSUA2: &[Limit] = &[
    Limit {
        row: rows::DTLS,
        why: "It is built without DTLS, and offers nothing at all when it is told to use it.",
        proof: Proof::Says(
            "tests/interop/.venv/bin/python tests/interop/phones/pjsua2_says.py",
            "keyed by DTLS: RTP/AVP",
        ),
    },
    Limit {
        row: rows::OPUS,
        why: "It is built without Opus.",
        proof: Proof::Lacks(
            "tests/interop/.venv/bin/python tests/interop/phones/pjsua2_says.py | grep codecs",
            "opus",
        ),
    },
];

/// JsSIP in Chromium.
pub const JSSIP: &[Limit] = &[
    Limit {
        row: rows::IN_BAND,
        why: "JsSIP sends keys in two ways, and this is neither.",
        proof: Proof::Says(
            "cd tests/browser && node -p \"require('jssip').C.DTMF_TRANSPORT\"",
            "{ INFO: 'INFO', RFC2833: 'RFC2833' }",
        ),
    },
    Limit {
        row: rows::TCP,
        why: "A browser opens WebSockets only.",
        proof: Proof::Says(
            "cd tests/browser && node -e \"new (require('jssip').WebSocketInterface)('tcp://127.0.0.1:5060')\"",
            "Invalid argument: tcp://127.0.0.1:5060",
        ),
    },
    Limit {
        row: rows::SDES,
        why: "A browser takes keys from DTLS only (RFC 8827 §6.5).",
        proof: Proof::Says(
            "chromium --headless --no-sandbox --disable-gpu --user-data-dir=$(mktemp -d) --virtual-time-budget=3000 \
             --dump-dom file://$PWD/tests/browser/sdes.html 2>/dev/null",
            "Called with SDP without DTLS fingerprint",
        ),
    },
];

const NO_SRTP: &str = "Its voices are plain RTP, for want of OpenSSL too.";
const FEATURES: Proof = Proof::Says("sipp -v", "SIPp v3.6.1-SCTP-PCAP-RTPSTREAM.");

/// SIPp.
pub const SIPP: &[Limit] = &[
    Limit { row: rows::SDES, why: NO_SRTP, proof: FEATURES },
    Limit { row: rows::DTLS, why: NO_SRTP, proof: FEATURES },
    Limit {
        row: rows::TLS,
        why: "Debian builds it without OpenSSL.",
        proof: Proof::Says(
            "sipp 127.0.0.1:9 -sn uac -m 1 -t l1",
            "To use a TLS transport you must compile SIPp with OpenSSL",
        ),
    },
    Limit {
        row: rows::OPUS,
        why: "It plays frames of the codecs that it knows.",
        proof: Proof::Says(
            "sipp 127.0.0.1:9 -m 1 -nostdin -sf <(sed 's/speech.al,-1,8/speech.al,-1,111/' tests/sipp/trunk-talk.xml)",
            "Unknown rtp payload type 111 - cannot set playback parameters",
        ),
    },
    Limit {
        row: rows::ATTENDED,
        why: "A scenario is one dialog, and never sees the tags of another, which Replaces has to name.",
        proof: Proof::Documented(
            "Its manual knows one way only to hand words from one call to another: two SIPps in 3PCC mode.",
        ),
    },
];
