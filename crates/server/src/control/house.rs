//! What the stages may ask while they decide, answered at once from memory: directory, devices, prompts, signature.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::watch;
use vorzimmer_call::World;
use vorzimmer_sip::digest::Ha1;
use vorzimmer_sip::ua::{Account, Accounts, Binding, SessionId, Ua, WayOut};
use vorzimmer_types::consent::{Language, PromptVersion, Receipt, SignedReceipt};
use vorzimmer_types::directory::{Credential, Directory};
use vorzimmer_types::{Now, ReceptionistId, TrunkId};

use crate::media::Prompts;
use crate::receipts::ReceiptSigner;

/// What is known here besides the running calls.
pub struct House {
    directory: watch::Receiver<Arc<Directory>>,
    prompts: Arc<Prompts>,
    signer: ReceiptSigner,
    realm: String,
}

impl House {
    /// Reads the newest `directory` at each question.
    pub fn new(
        directory: watch::Receiver<Arc<Directory>>,
        prompts: Arc<Prompts>,
        signer: ReceiptSigner,
        realm: String,
    ) -> Self {
        Self { directory, prompts, signer, realm }
    }

    /// Who may log in.
    pub(super) fn accounts(&self) -> Logins<'_> {
        Logins { directory: Arc::clone(&self.directory.borrow()), realm: &self.realm }
    }
}

/// Receptionists' log-ins.
pub(super) struct Logins<'a> {
    directory: Arc<Directory>,
    realm: &'a str,
}

impl Accounts for Logins<'_> {
    fn receptionist(&self, login: &str) -> Option<Account> {
        let receptionist = self.directory.receptionist_by_login(login)?;
        let Credential { realm, ha1_md5, ha1_sha256 } = &receptionist.credential;
        if realm != self.realm {
            // The hashes are good for another realm: no password can match.
            return None;
        }
        let (mut md5, mut sha256) = ([0; 16], [0; 32]);
        hex::decode_to_slice(ha1_md5, &mut md5).ok()?;
        hex::decode_to_slice(ha1_sha256, &mut sha256).ok()?;
        Some(Account { id: receptionist.id, secret: Ha1::from_hashes(md5, sha256) })
    }
}

/// What the exchange sees during one step.
pub(super) struct View<'a> {
    directory: Arc<Directory>,
    house: &'a House,
    /// Asked for devices and for session names, one after the other, never at once.
    ua: RefCell<&'a mut Ua>,
    now: Now,
}

impl<'a> View<'a> {
    pub(super) fn new(house: &'a House, ua: &'a mut Ua, now: Now) -> Self {
        Self { directory: Arc::clone(&house.directory.borrow()), house, ua: RefCell::new(ua), now }
    }

    pub(super) fn next_session(&self) -> SessionId {
        self.ua.borrow_mut().next_session()
    }
}

impl World for View<'_> {
    fn directory(&self) -> &Directory {
        &self.directory
    }

    fn devices(&self, receptionist: ReceptionistId) -> Vec<Binding> {
        self.ua.borrow().bindings(receptionist, self.now)
    }

    fn way_out(&self, trunk: TrunkId) -> Option<WayOut> {
        self.ua.borrow().way_out(trunk, self.now)
    }

    fn prompt(&self, name: &str, language: Language) -> Option<PromptVersion> {
        self.house.prompts.version(name, language)
    }

    fn sign(&self, receipt: Receipt) -> SignedReceipt {
        self.house.signer.sign(receipt)
    }
}
