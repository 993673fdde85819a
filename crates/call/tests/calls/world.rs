//! The directory, devices and prompts of the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use vorzimmer_call::World;
use vorzimmer_sip::carrier::Pulse;
use vorzimmer_sip::ua::{Binding, Flow, Transport, WayOut};
use vorzimmer_types::consent::{Language, Policy, PromptVersion, Receipt, SignedReceipt};
use vorzimmer_types::directory::{
    Contact, Credential, Customer, Directory, HoldSound, OnWithdrawal, Place, Receptionist, RingOrder,
    RingPlan, StandingConsent,
};
use vorzimmer_types::srtp::SrtpPolicy;
use vorzimmer_types::{ContactId, CustomerId, Pii, ReceptionistId, TrunkId, UnixMillis};

pub const DID: &str = "+493023125001";
pub const CALLER: &str = "+4915112345678";
pub const BOSS: &str = "+493023125777";
pub const BOSS_AT_HOME: &str = "sip:boss@home.example";
/// The trunk that calls out go by, unless a test says otherwise.
pub const OUT: TrunkId = TrunkId::from_bytes([9; 16]);
pub const PRIVATE: &str = "+493023125778";

#[derive(Debug)]
pub struct FakeWorld {
    pub directory: Directory,
    pub devices: BTreeMap<ReceptionistId, Vec<&'static str>>,
    pub missing_prompts: BTreeSet<&'static str>,
    /// How the devices signal.
    pub transport: Transport,
    /// The trunks that take calls now.
    pub trunks: BTreeMap<TrunkId, Pulse>,
}

pub fn receptionist(name: &str) -> ReceptionistId {
    let first = name.bytes().next().unwrap_or(0);
    ReceptionistId::from_bytes([first; 16])
}

impl FakeWorld {
    /// Anna (desk and cell) and Ben have a standing consent, Carol has none and speaks English.
    pub fn new(policy: Policy) -> Self {
        let customer = Customer {
            id: CustomerId::from_bytes([1; 16]),
            key: Pii::new("kanzlei".into()),
            name: Pii::new("Kanzlei Beispiel".into()),
            numbers: vec![Pii::new(DID.parse().expect("a number"))],
            language: Language::De,
            greeting: Some("greeting-default".into()),
            recording: policy,
            purpose: "Anliegen weitergeben".into(),
            on_withdrawal: OnWithdrawal::Destroy,
            plan: RingPlan::default(),
            secrecy: false,
            srtp: SrtpPolicy::Prefer,
            hold: HoldSound::Tone,
            contacts: vec![contact("21", &[BOSS, BOSS_AT_HOME], true), contact("22", &[PRIVATE], false)],
        };
        let receptionists = vec![
            somebody("anna", Language::De, true),
            somebody("ben", Language::De, true),
            somebody("carol", Language::En, false),
        ];
        let devices = BTreeMap::from([
            (receptionist("anna"), vec!["anna-desk"]),
            (receptionist("ben"), vec!["ben-desk"]),
            (receptionist("carol"), vec!["carol-desk"]),
        ]);
        let directory = Directory { customers: vec![customer], receptionists };
        let trunks = BTreeMap::from([(OUT, Pulse::Up)]);
        Self { directory, devices, missing_prompts: BTreeSet::new(), transport: Transport::Udp, trunks }
    }

    pub fn trunks(mut self, trunks: &[(TrunkId, Pulse)]) -> Self {
        self.trunks = trunks.iter().copied().collect();
        self
    }

    /// How a line says by which trunk a call goes out, if it is not the usual one.
    pub fn by_trunk(&self, trunk: TrunkId) -> String {
        if trunk == OUT { String::new() } else { format!(" by trunk {}", trunk.as_bytes()[0]) }
    }

    pub fn team(mut self, order: RingOrder, team: &[(&str, u16)]) -> Self {
        let place = |(name, timeout_s): &(&str, u16)| Place {
            receptionist: receptionist(name),
            timeout_s: *timeout_s,
        };
        self.customer().plan = RingPlan { order, team: team.iter().map(place).collect() };
        self
    }

    pub fn devices(mut self, name: &str, devices: &[&'static str]) -> Self {
        self.devices.insert(receptionist(name), devices.to_vec());
        self
    }

    pub fn without_greeting(mut self) -> Self {
        self.customer().greeting = None;
        self
    }

    pub fn without_prompt(mut self, name: &'static str) -> Self {
        self.missing_prompts.insert(name);
        self
    }

    pub fn holding_with(mut self, hold: HoldSound) -> Self {
        self.customer().hold = hold;
        self
    }

    /// A customer under § 203 StGB.
    pub fn under_secrecy(mut self) -> Self {
        self.customer().secrecy = true;
        self
    }

    pub fn customer_wants(mut self, policy: SrtpPolicy) -> Self {
        self.customer().srtp = policy;
        self
    }

    pub fn receptionists_want(mut self, policy: SrtpPolicy) -> Self {
        self.directory.receptionists.iter_mut().for_each(|one| one.srtp = policy);
        self
    }

    pub fn devices_over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    pub fn keeping_withdrawn(mut self) -> Self {
        self.customer().on_withdrawal = OnWithdrawal::Keep;
        self
    }

    fn customer(&mut self) -> &mut Customer {
        self.directory.customers.first_mut().expect("one customer")
    }
}

fn contact(short: &str, ways: &[&str], transfer: bool) -> Contact {
    Contact {
        id: ContactId::from_bytes([short.bytes().next_back().unwrap_or(0); 16]),
        short: Pii::new(short.into()),
        name: Pii::new(format!("Contact {short}")),
        reach: ways.iter().map(|way| Pii::new(way.parse().expect("a way"))).collect(),
        transfer,
    }
}

fn somebody(name: &str, language: Language, standing: bool) -> Receptionist {
    let given = StandingConsent { given_on: "2026-01-31".into(), text: "employee-consent v1".into() };
    Receptionist {
        id: receptionist(name),
        login: Pii::new(name.into()),
        name: Pii::new(name.into()),
        language,
        standing_consent: standing.then_some(given),
        credential: Credential { realm: String::new(), ha1_md5: String::new(), ha1_sha256: String::new() },
        srtp: SrtpPolicy::Prefer,
    }
}

pub fn flow() -> Flow {
    let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
    Flow {
        transport: Transport::Udp,
        local: address("192.0.2.1:5060"),
        remote: address("192.0.2.9:5060"),
        connection: None,
    }
}

impl World for FakeWorld {
    fn directory(&self) -> &Directory {
        &self.directory
    }

    fn devices(&self, receptionist: ReceptionistId) -> Vec<Binding> {
        let binding = |name: &&'static str| Binding {
            receptionist,
            contact: Pii::new((*name).to_owned()),
            flow: Flow { transport: self.transport, ..flow() },
            path: Vec::new(),
            call_id: Pii::new("registration".into()),
            cseq: 1,
            instance: None,
            reg_id: None,
            q_milli: 1000,
            expires_at: UnixMillis(i64::MAX),
        };
        self.devices.get(&receptionist).map(|names| names.iter().map(binding).collect()).unwrap_or_default()
    }

    fn way_out(&self, trunk: TrunkId) -> Option<WayOut> {
        let pulse = self.trunks.get(&trunk).copied()?;
        Some(WayOut { name: format!("trunk {}", trunk.as_bytes()[0]), flow: flow(), pulse })
    }

    fn prompt(&self, name: &str, language: Language) -> Option<PromptVersion> {
        let shipped = !self.missing_prompts.contains(name);
        shipped.then(|| PromptVersion {
            name: name.into(),
            version: 1,
            language,
            sha256: format!("{name}{language:?}"),
        })
    }

    fn sign(&self, receipt: Receipt) -> SignedReceipt {
        SignedReceipt { receipt, signature: "signed".into(), key: "key".into() }
    }
}
