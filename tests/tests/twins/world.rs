//! What the exchange may ask: one customer, one receptionist with her telephone, the shipped prompts, a signature.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use vorzimmer_call::World;
use vorzimmer_media::Prompt;
use vorzimmer_sip::ua::{Binding, Flow, Peer, Transport, WayOut};
use vorzimmer_tests::server::workspace;
use vorzimmer_types::consent::{Language, Policy, PromptVersion, Receipt, SignedReceipt};
use vorzimmer_types::directory::{
    Credential, Customer, Directory, HoldSound, OnWithdrawal, Place, Receptionist, RingOrder, RingPlan,
    StandingConsent,
};
use vorzimmer_types::srtp::SrtpPolicy;
use vorzimmer_types::{CustomerId, Pii, ReceptionistId, TrunkId, UnixMillis};
use vorzimmer_vault::SigningKey;

const DID: &str = "+493023125001";
const CALLER: &str = "+493023125900";
const ANNA: ReceptionistId = ReceptionistId::from_bytes([0xaa; 16]);

pub struct House {
    directory: Directory,
    prompts: BTreeMap<String, Arc<Prompt>>,
    key: SigningKey,
}

impl House {
    pub fn new(policy: Policy, key: SigningKey) -> Self {
        let customer = Customer {
            id: CustomerId::from_bytes([0xc0; 16]),
            key: Pii::new("twins".into()),
            name: Pii::new("Twins".into()),
            numbers: vec![Pii::new(DID.parse().expect("a number"))],
            language: Language::De,
            greeting: None,
            recording: policy,
            purpose: "pass requests on".into(),
            on_withdrawal: OnWithdrawal::Destroy,
            plan: RingPlan {
                order: RingOrder::Together,
                team: vec![Place { receptionist: ANNA, timeout_s: 20 }],
            },
            secrecy: false,
            srtp: SrtpPolicy::Off,
            hold: HoldSound::default(),
            contacts: Vec::new(),
        };
        let anna = Receptionist {
            id: ANNA,
            login: Pii::new("anna".into()),
            name: Pii::new("Anna Beispiel".into()),
            language: Language::De,
            standing_consent: Some(StandingConsent { given_on: "2026-01-31".into(), text: "v1".into() }),
            credential: Credential {
                realm: String::new(),
                ha1_md5: String::new(),
                ha1_sha256: String::new(),
            },
            srtp: SrtpPolicy::Off,
        };
        let directory = Directory { customers: vec![customer], receptionists: vec![anna] };
        Self { directory, prompts: prompts(&workspace().join("config/prompts/de")), key }
    }

    pub fn sound(&self, name: &str) -> Arc<Prompt> {
        Arc::clone(self.prompts.get(name).unwrap_or_else(|| panic!("no prompt {name}")))
    }
}

fn prompts(folder: &Path) -> BTreeMap<String, Arc<Prompt>> {
    let files = std::fs::read_dir(folder).expect("the shipped prompts");
    let read = |path: &Path| {
        let prompt = Prompt::from_wav(&std::fs::read(path).expect("a WAV"), 1).expect("a prompt");
        (path.file_stem().expect("a name").to_string_lossy().into_owned(), Arc::new(prompt))
    };
    files.map(|file| read(&file.expect("a file").path())).collect()
}

impl World for House {
    fn directory(&self) -> &Directory {
        &self.directory
    }

    fn devices(&self, receptionist: ReceptionistId) -> Vec<Binding> {
        vec![Binding {
            receptionist,
            contact: Pii::new("sip:anna@192.0.2.9".into()),
            flow: flow(),
            path: Vec::new(),
            call_id: Pii::new("registration".into()),
            cseq: 1,
            instance: None,
            reg_id: None,
            q_milli: 1000,
            expires_at: UnixMillis(i64::MAX),
        }]
    }

    fn way_out(&self, _trunk: TrunkId) -> Option<WayOut> {
        None
    }

    fn prompt(&self, name: &str, language: Language) -> Option<PromptVersion> {
        let prompt = self.prompts.get(name)?;
        let sha256 = hex::encode(prompt.hash());
        Some(PromptVersion { name: name.into(), version: prompt.version(), language, sha256 })
    }

    fn sign(&self, receipt: Receipt) -> SignedReceipt {
        vorzimmer_consent::receipt::sign(receipt, &self.key.receipt_key()).expect("a signature")
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

pub fn trunk() -> Peer {
    Peer::Trunk { id: TrunkId::from_bytes([9; 16]), name: "carrier".into() }
}

/// The carrier's INVITE.
pub fn invite() -> rsip::Request {
    let uri = rsip::Uri {
        scheme: Some(rsip::Scheme::Sip),
        auth: Some(rsip::Auth { user: DID.into(), password: None }),
        host_with_port: rsip::Domain::from("vorzimmer.example").into(),
        ..Default::default()
    };
    let from = format!("<sip:{CALLER}@carrier.example;user=phone>;tag=1");
    let vouched =
        rsip::Header::Other("P-Asserted-Identity".into(), format!("<sip:{CALLER}@carrier.example>"));
    rsip::Request {
        method: rsip::Method::Invite,
        uri,
        version: rsip::Version::V2,
        headers: vec![rsip::Header::From(from.into()), vouched].into(),
        body: Vec::new(),
    }
}
