//! A call to play with: people by name, outputs as short words, time that moves when told to.

use std::time::{Duration, Instant};

use vorzimmer_consent::{Gate, Input, Newcomer, Output, Permit, StopReason, Terms, Verdict, Who, Why};
use vorzimmer_types::consent::{Answer, Language, Method, Policy, PromptVersion, Receipt};
use vorzimmer_types::directory::OnWithdrawal;
use vorzimmer_types::{CallId, CustomerId, Now, PartyId, ReceptionistId, UnixMillis};

pub const CALLER: PartyId = PartyId::from_bytes([0xc0; 16]);
pub const ANNA: PartyId = PartyId::from_bytes([0xa0; 16]);
pub const BEA: PartyId = PartyId::from_bytes([0xb0; 16]);
pub const CONTACT: PartyId = PartyId::from_bytes([0xd0; 16]);
pub const PURPOSE: &str = "so that nothing is misunderstood";

/// Both receptionists; whether their consent is on file is a matter of the test.
pub fn anna(standing: bool) -> Who {
    Who::Receptionist { id: ReceptionistId::from_bytes([0xaa; 16]), standing }
}

pub fn bea(standing: bool) -> Who {
    Who::Receptionist { id: ReceptionistId::from_bytes([0xbb; 16]), standing }
}

pub fn question(party: PartyId) -> PromptVersion {
    let language = if party == CALLER { Language::De } else { Language::En };
    PromptVersion { name: "consent-ask".into(), version: 3, language, sha256: "5e".repeat(32) }
}

pub fn newcomer(party: PartyId, who: Who) -> Newcomer {
    Newcomer { party, who, question: question(party) }
}

fn name(party: PartyId) -> &'static str {
    match party {
        CALLER => "caller",
        ANNA => "anna",
        BEA => "bea",
        CONTACT => "contact",
        _ => "stranger",
    }
}

pub struct Lobby {
    pub gate: Gate,
    pub now: Now,
    pub permits: Vec<Permit>,
    pub receipts: Vec<Receipt>,
}

impl Lobby {
    #[expect(
        clippy::disallowed_methods,
        reason = "an instant can only be had from the clock; nothing waits on it"
    )]
    pub fn new(policy: Policy, on_withdrawal: OnWithdrawal) -> Self {
        let terms = Terms {
            call: CallId::from_bytes([1; 16]),
            customer: CustomerId::from_bytes([2; 16]),
            policy,
            on_withdrawal,
            purpose: PURPOSE.into(),
        };
        let now = Now { mono: Instant::now(), wall: UnixMillis(1_769_850_300_000) };
        Self { gate: Gate::new(terms), now, permits: Vec::new(), receipts: Vec::new() }
    }

    pub fn with(policy: Policy) -> Self {
        Self::new(policy, OnWithdrawal::Destroy)
    }

    /// A call that is being recorded: the caller said yes, Anna's consent is on file.
    pub fn recording() -> Self {
        let mut lobby = Self::with(Policy::AskBeforeConnect);
        lobby.join(CALLER, Who::Caller);
        lobby.agrees(CALLER);
        lobby.join(ANNA, anna(true));
        assert!(lobby.permit().is_running());
        lobby
    }

    /// What a step led to, in short words.
    pub fn does(&mut self, input: Input) -> Vec<String> {
        self.gate.handle(input, self.now).unwrap();
        self.said()
    }

    pub fn said(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(output) = self.gate.poll() {
            said.push(self.words(output));
        }
        said
    }

    fn words(&mut self, output: Output) -> String {
        match output {
            Output::Ask { party, prompt, repeat } => {
                assert_eq!(prompt, question(party));
                format!("ask {} {repeat}", name(party))
            }
            Output::Overhear { party, prompt } => {
                assert_eq!(prompt, question(party));
                format!("overhear {}", name(party))
            }
            Output::StopPrompt { party } => format!("hush {}", name(party)),
            Output::Receipt(receipt) => {
                let how = match receipt.method {
                    Method::Key { digit } => format!("key {digit}"),
                    Method::Attested { receptionist } => {
                        format!("attested {}", &receptionist.to_string()[..2])
                    }
                    Method::Signalled => "signalled".into(),
                    Method::Standing => "standing".into(),
                    Method::None => "no key".into(),
                };
                let line =
                    format!("receipt {} {:?} {how}", name(receipt.party), receipt.answer).to_lowercase();
                self.receipts.push(receipt);
                line
            }
            Output::Record(permit) => {
                let line = format!("record {}", permit.epoch().0);
                self.permits.push(permit);
                line
            }
            Output::Pause => "pause".into(),
            Output::Resume => "resume".into(),
            Output::Stop { reason, destroy } => {
                let why = match reason {
                    StopReason::Withdrawn { party } => format!("{} withdrew", name(party)),
                    other => format!("{other:?}").to_lowercase(),
                };
                format!("stop {why}{}", if destroy { ", destroy" } else { "" })
            }
            Output::Settled { outcome } => format!("settled {outcome:?}").to_lowercase(),
            Output::Blocked { why } => format!("blocked {}", reason(why)),
            Output::Ended { verdict: Verdict::Blocked { why } } => format!("ended blocked {}", reason(why)),
            Output::Ended { verdict } => format!("ended {verdict:?}").to_lowercase(),
        }
    }

    pub fn join(&mut self, party: PartyId, who: Who) -> Vec<String> {
        self.does(Input::Join(newcomer(party, who)))
    }

    pub fn press(&mut self, party: PartyId, keys: &str) -> Vec<String> {
        keys.chars().flat_map(|digit| self.does(Input::Digit { party, digit })).collect()
    }

    /// Hears the question out and presses 1.
    pub fn agrees(&mut self, party: PartyId) -> Vec<String> {
        assert_eq!(self.does(Input::PromptEnded { party }), Vec::<String>::new());
        self.press(party, "1")
    }

    pub fn later(&mut self, by: Duration) {
        self.now = self.now.after(by);
    }

    /// The latest permit.
    pub fn permit(&self) -> &Permit {
        self.permits.last().unwrap()
    }

    pub fn is_recording(&self) -> bool {
        self.permits.iter().any(Permit::is_live)
    }
}

fn reason(why: Why) -> String {
    match why {
        Why::Answered { party, answer } => format!("{} {}", name(party), short(answer)),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn short(answer: Answer) -> String {
    format!("{answer:?}").to_lowercase()
}
