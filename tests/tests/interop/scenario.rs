//! SIPp scenarios, put together from what people do on the telephone.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Where Debian keeps the captures of keys (RFC 4733) that SIPp can play.
const KEYS: &str = "/usr/share/sip-tester/dtmf_2833_";
const DESCRIPTION: &str = "v=0
o=sipp 53655765 [CSEQ] IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP PAYLOAD 101
a=rtpmap:PAYLOAD CODEC/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=DIRECTION
";

/// What somebody says without end, coded already: SIPp has no codecs.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Its frames, one after the other.
    pub file: PathBuf,
    /// The payload type (RFC 3551).
    pub payload: u8,
    /// The codec's name; its clock runs at 8 kHz.
    pub codec: &'static str,
}

/// A scenario as far as it is written.
pub struct Scenario {
    steps: String,
    /// From and To of what it sends.
    from: &'static str,
    to: &'static str,
    seq: u32,
    voice: Voice,
}

impl Scenario {
    /// A carrier forwards a call; it is answered, and the caller says this .
    pub fn caller(voice: Voice) -> Self {
        let from = "\"Carrier Caller\" <sip:+493023125900@[local_ip]:[local_port];user=phone>;tag=[pid]SIPpTag[call_number]";
        let to = "<sip:[service]@[remote_ip]:[remote_port];user=phone>[peer_tag_param]";
        let call = Self { steps: String::new(), from, to, seq: 0, voice };
        let more = "P-Asserted-Identity: <sip:+493023125900@carrier.example;user=phone>\n\
                    Diversion: <sip:+493023125777@carrier.example;user=phone>;reason=unconditional;counter=1\n";
        call.invite("sip:[service]@[remote_ip]:[remote_port];user=phone", more, "sendrecv").speaks()
    }

    /// A receptionist's phone rings, is answered, and she says this .
    pub fn desk(voice: Voice) -> Self {
        let (from, to) = ("<sip:[service]@[local_ip]>;tag=[pid]desk[call_number]", "[$1]");
        let mut desk = Self { steps: String::new(), from, to, seq: 0, voice };
        desk.add(
            "<recv request=\"INVITE\" rrs=\"true\"><action>\
             <ereg regexp=\".*\" search_in=\"hdr\" header=\"From:\" check_it=\"true\" assign_to=\"1\"/></action></recv>",
        );
        desk.answers("SIP/2.0 180 Ringing", "");
        desk.add("<pause milliseconds=\"500\"/>");
        let description = desk.description("sendrecv");
        desk.answers("SIP/2.0 200 OK", &description);
        desk.add("<recv request=\"ACK\"/>");
        desk.speaks()
    }

    /// Nothing happens for so long.
    pub fn pause(mut self, milliseconds: u32) -> Self {
        self.add(&format!("<pause milliseconds=\"{milliseconds}\"/>"));
        self
    }

    /// A key as an RTP event: `0` to `9`, `star`, `pound`.
    pub fn event(mut self, key: &str) -> Self {
        self.add("<nop><action><exec rtp_stream=\"pause\"/></action></nop>");
        self.add(&format!("<nop><action><exec play_pcap_audio=\"{KEYS}{key}.pcap\"/></action></nop>"));
        self = self.pause(400);
        self.add("<nop><action><exec rtp_stream=\"resume\"/></action></nop>");
        self
    }

    /// A key by INFO.
    pub fn info(self, key: &str) -> Self {
        let body = format!("Signal={key}\nDuration=160\n");
        self.asks("INFO", "Content-Type: application/dtmf-relay\n", &body, &["200"]).pause(300)
    }

    /// Another sound instead of the voice, once: raw A-law of so many milliseconds.
    pub fn plays(mut self, sound: &Path, milliseconds: u32) -> Self {
        self.add(&format!("<nop><action><exec rtp_stream=\"{},1,8\"/></action></nop>", sound.display()));
        self.pause(milliseconds).speaks()
    }

    /// Holds or resumes by a re-INVITE.
    pub fn holds(self, on: bool) -> Self {
        let word = if on { "pause" } else { "resume" };
        let mut held = self.invite("[next_url]", "", if on { "sendonly" } else { "sendrecv" });
        held.add(&format!("<nop><action><exec rtp_stream=\"{word}\"/></action></nop>"));
        held
    }

    /// Gives the call to somebody else, is told what came of it, and hangs up when told to.
    pub fn refers(self, to: &str) -> Self {
        let more = format!("Refer-To: <{to}>\nContact: <sip:[service]@[local_ip]:[local_port]>\n");
        let mut told = self.asks("REFER", &more, "", &["202"]);
        for _ in 0..2 {
            told.add("<recv request=\"NOTIFY\" timeout=\"30000\"/>");
            told.answers("SIP/2.0 200 OK", "");
        }
        told.hears_bye()
    }

    /// The other side hangs up.
    pub fn hears_bye(mut self) -> Self {
        self.add("<recv request=\"BYE\" timeout=\"80000\"/>");
        self.answers("SIP/2.0 200 OK", "");
        self
    }

    /// This side does.
    pub fn hangs_up(self) -> Self {
        self.asks("BYE", "", "", &["200"])
    }

    /// The scenario as SIPp reads it.
    pub fn text(&self, name: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?>\n<!DOCTYPE scenario SYSTEM \"sipp.dtd\">\n\
             <scenario name=\"{name}\">\n{}</scenario>\n",
            self.steps
        )
    }

    fn speaks(mut self) -> Self {
        let Voice { file, payload, .. } = &self.voice;
        let step =
            format!("<nop><action><exec rtp_stream=\"{},-1,{payload}\"/></action></nop>", file.display());
        self.add(&step);
        self
    }

    fn invite(mut self, uri: &str, more: &str, direction: &str) -> Self {
        self.seq += 1;
        let (seq, body) = (self.seq, self.description(direction));
        let more = format!(
            "Contact: <sip:[service]@[local_ip]:[local_port];transport=[transport]>\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\n\
             {more}Content-Type: application/sdp\n"
        );
        self.sends("INVITE", uri, &more, &body, true);
        for status in ["100", "180", "183"] {
            self.add(&format!("<recv response=\"{status}\" optional=\"true\"/>"));
        }
        self.add("<recv response=\"200\" rrs=\"true\"/>");
        self.seq = seq;
        self.sends("ACK", "[next_url]", "", "", false);
        self
    }

    fn asks(mut self, method: &str, more: &str, body: &str, answers: &[&str]) -> Self {
        self.seq += 1;
        self.sends(method, "[next_url]", more, body, true);
        for status in answers {
            self.add(&format!("<recv response=\"{status}\"/>"));
        }
        self
    }

    fn sends(&mut self, method: &str, uri: &str, more: &str, body: &str, again: bool) {
        let Self { from, to, seq, .. } = self;
        let text = format!(
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nFrom: {from}\nTo: {to}\n\
             Call-ID: [call_id]\nCSeq: {seq} {method}\nMax-Forwards: 68\n{more}Content-Length: [len]\n\n{body}"
        );
        let again = if again { " retrans=\"500\"" } else { "" };
        self.add(&format!("<send{again}><![CDATA[\n{text}\n]]></send>"));
    }

    fn answers(&mut self, line: &str, body: &str) {
        let invited = !self.steps.contains("SIP/2.0 200 OK");
        let tag = if invited { ";tag=[pid]desk[call_number]" } else { "" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
        let again = if body.is_empty() { "" } else { " retrans=\"500\"" };
        self.add(&format!(
            "<send{again}><![CDATA[\n{line}\n[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n\
             Contact: <sip:[service]@[local_ip]:[local_port];transport=[transport]>\n{kind}Content-Length: [len]\n\n{body}\n]]></send>"
        ));
    }

    fn add(&mut self, step: &str) {
        writeln!(self.steps, "{step}").expect("a string takes all");
    }

    fn description(&self, direction: &str) -> String {
        let Voice { payload, codec, .. } = &self.voice;
        DESCRIPTION
            .replace("[CSEQ]", &self.seq.to_string())
            .replace("PAYLOAD", &payload.to_string())
            .replace("CODEC", codec)
            .replace("DIRECTION", direction)
    }
}
