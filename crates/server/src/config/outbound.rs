//! How calls go out: the options of a trunk that they may be placed through, `[trunks.NAME.outbound]`, and the routes.

use serde::Deserialize;

/// How calls are placed through a trunk. Where it is, its provider says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbound {
    /// How numbers are written.
    pub numbers: Numbers,
    /// What the number called stands in.
    pub uri: NumberUri,
    /// Whether numbers in `sip:` addresses are marked by `user=phone`.
    pub user_phone: bool,
    /// What stands in From.
    pub from: FromHeader,
    /// Whose number whoever is called sees.
    pub shows: Shows,
    /// In which header the customer's number is vouched for.
    pub identity: Identity,
    /// How the carrier is told that the call was passed on.
    pub diversion: Told,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbers {
    /// `+493023125001`.
    #[default]
    E164,
    /// `493023125001`.
    Digits,
    /// `00493023125001`.
    International,
    /// `03023125001`, other countries' as international ones.
    National,
}

/// What the number called stands in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberUri {
    /// `sip:NUMBER@domain`.
    #[default]
    Sip,
    /// `tel:NUMBER`.
    Tel,
}

/// What stands in From.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromHeader {
    /// The number that is shown.
    #[default]
    Number,
    /// The account's identity.
    Account,
}

/// Whose number is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shows {
    /// The customer's.
    #[default]
    Customer,
    /// The caller's.
    Caller,
}

/// In which header the customer's number is vouched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// P-Asserted-Identity.
    #[default]
    Asserted,
    /// P-Preferred-Identity.
    Preferred,
    /// In none.
    None,
}

/// How the carrier is told that the call was passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// Not at all.
    #[default]
    None,
    /// By Diversion.
    Diversion,
    /// By History-Info.
    HistoryInfo,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            numbers: Numbers::default(),
            uri: NumberUri::default(),
            user_phone: true,
            from: FromHeader::default(),
            shows: Shows::default(),
            identity: Identity::default(),
            diversion: Told::default(),
        }
    }
}
