//! How a call that we place is written for a carrier: whom it is to reach, and on whose behalf (SIPconnect 2.0 §11).
//!
//! Says nothing besides what the operator has turned on: a carrier needs a number to ring and a number to bill.

use vorzimmer_types::{E164, Pii};

use crate::identity::{NumberPlan, Style};
use crate::uri::{Host, NameAddr, Scheme, Uri};

/// A call that is to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placing {
    /// Whom to reach: an E.164 number, or a `sip:` or `sips:` URI.
    pub target: Pii<String>,
    /// The number of ours on whose behalf: the one that stands for the call, and pays.
    pub behalf: Pii<E164>,
    /// Who is put through.
    pub caller: Calling,
}

/// Who is put through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calling {
    /// Somebody with this number.
    Number(Pii<E164>),
    /// Somebody who wants not to be known.
    Withheld,
    /// Somebody without a number.
    Unknown,
}

/// How calls are placed through a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// How numbers are dialled where the trunk ends.
    pub plan: NumberPlan,
    /// How it wants them to be written.
    pub numbers: Style,
    /// Whether the number called is written as a `tel:` URI (RFC 3966), which is always international.
    pub tel: bool,
    /// Whether numbers in `sip:` URIs are marked by `user=phone` (RFC 3261 §19.1.6).
    pub user_phone: bool,
    /// Whether From names our account there instead of a number.
    pub from_account: bool,
    /// Whether whoever is called sees the caller's number instead of ours, as far as it is known.
    pub shows_caller: bool,
    /// How our number is vouched for.
    pub identity: Vouching,
    /// How it is told that the call was passed on.
    pub diverted: Diverted,
}

/// In which header our number stands (RFC 3325).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vouching {
    /// P-Asserted-Identity (§9.1): the carrier trusts us.
    #[default]
    Asserted,
    /// P-Preferred-Identity (§9.2): the carrier checks what we wish.
    Preferred,
    /// None: From has to do.
    None,
}

/// How a carrier is told that a call was passed on by us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Diverted {
    /// Not at all.
    #[default]
    Untold,
    /// Diversion (RFC 5806).
    Diversion,
    /// History-Info (RFC 7044).
    HistoryInfo,
}

/// Our account with a carrier.
pub struct Account<'a> {
    /// The host of addresses there.
    pub host: Host,
    /// The user part of ours.
    pub user: &'a str,
}

/// What stands in the INVITE.
#[derive(Debug)]
pub struct Placed {
    /// The request line, and To.
    pub target: Uri,
    /// From, without a tag.
    pub from: NameAddr,
    /// Further headers: name and value.
    pub headers: Vec<(&'static str, Pii<String>)>,
}

impl Outbound {
    /// Writes a call down. None if its target is neither a number nor an address.
    #[must_use]
    pub fn write(&self, call: &Placing, account: &Account<'_>) -> Option<Placed> {
        let target = self.target(call.target.expose(), account)?;
        let behalf = self.number(call.behalf.expose(), account);
        let withheld = self.shows_caller && call.caller == Calling::Withheld;
        let from = match &call.caller {
            // RFC 3323 §4.1.1.3.
            _ if withheld => {
                let nowhere = Host::Name("anonymous.invalid".into());
                NameAddr::new(Uri::sip(Some("anonymous"), nowhere, None)).with_display("Anonymous")
            }
            Calling::Number(number) if self.shows_caller => {
                NameAddr::new(self.number(number.expose(), account))
            }
            _ if self.from_account => NameAddr::new(Uri::sip(Some(account.user), account.host.clone(), None)),
            _ => NameAddr::new(behalf.clone()),
        };
        let mut headers = Vec::new();
        let mut push = |name, value: String| headers.push((name, Pii::new(value)));
        match self.identity {
            Vouching::Asserted => push("P-Asserted-Identity", format!("<{behalf}>")),
            Vouching::Preferred => push("P-Preferred-Identity", format!("<{behalf}>")),
            Vouching::None => {}
        }
        if withheld {
            // RFC 3325 §9.3: what is vouched for stays with the carrier.
            push("Privacy", "id".to_owned());
        }
        match self.diverted {
            Diverted::Untold => {}
            Diverted::Diversion => push("Diversion", format!("<{behalf}>;reason=deflection;counter=1")),
            // RFC 7044 §5.1, RFC 4458 §2: 480 is deflection by whoever was reached.
            Diverted::HistoryInfo => {
                let to = target.clone().with_param("cause", Some("480"));
                push("History-Info", format!("<{behalf}>;index=1, <{to}>;index=1.1;mp=1"));
            }
        }
        Some(Placed { target, from, headers })
    }

    fn target(&self, target: &str, account: &Account<'_>) -> Option<Uri> {
        if target.starts_with('+') {
            let number: E164 = target.parse().ok()?;
            return match self.tel {
                true => Uri::parse(&format!("tel:{}", number.as_str())).ok(),
                false => Some(self.number(&number, account)),
            };
        }
        let uri = Uri::parse(target).ok()?.without_headers();
        matches!(uri.scheme, Scheme::Sip | Scheme::Sips).then_some(uri)
    }

    fn number(&self, number: &E164, account: &Account<'_>) -> Uri {
        let user = self.plan.write(number, self.numbers);
        let uri = Uri::sip(Some(&user), account.host.clone(), None);
        if self.user_phone { uri.with_param("user", Some("phone")) } else { uri }
    }
}

impl Default for Outbound {
    /// E.164 with `user=phone`, our number in From and P-Asserted-Identity: what SIPconnect 2.0 asks for.
    fn default() -> Self {
        Self {
            plan: NumberPlan::germany(),
            numbers: Style::default(),
            tel: false,
            user_phone: true,
            from_account: false,
            shows_caller: false,
            identity: Vouching::default(),
            diverted: Diverted::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, Calling, Diverted, Outbound, Placed, Placing, Vouching};
    use crate::identity::Style;
    use crate::uri::Host;
    use vorzimmer_types::Pii;

    fn written(outbound: &Outbound, target: &str, caller: Calling) -> Option<Placed> {
        let account = Account { host: Host::Name("carrier.example".into()), user: "1234567t0" };
        let behalf = Pii::new("+493023125001".parse().unwrap());
        outbound.write(&Placing { target: Pii::new(target.into()), behalf, caller }, &account)
    }

    fn somebody() -> Calling {
        Calling::Number(Pii::new("+491701234567".parse().unwrap()))
    }

    /// Request line, From, further headers.
    fn shape(outbound: &Outbound, caller: Calling) -> String {
        let placed = written(outbound, "+4989123456", caller).unwrap();
        let more: String =
            placed.headers.iter().map(|(name, value)| format!(" | {name}: {}", value.expose())).collect();
        format!("{} | {}{more}", placed.target, placed.from).replace("carrier.example", "c")
    }

    #[test]
    fn what_carriers_want_to_read() {
        let usual = Outbound::default;
        for (outbound, caller, expected) in [
            (
                usual(),
                somebody(),
                "sip:+4989123456@c;user=phone | <sip:+493023125001@c;user=phone> | \
                 P-Asserted-Identity: <sip:+493023125001@c;user=phone>",
            ),
            (
                Outbound { numbers: Style::National, user_phone: false, identity: Vouching::None, ..usual() },
                somebody(),
                "sip:089123456@c | <sip:03023125001@c>",
            ),
            (
                Outbound { numbers: Style::International, identity: Vouching::None, ..usual() },
                somebody(),
                "sip:004989123456@c;user=phone | <sip:00493023125001@c;user=phone>",
            ),
            (
                // sipgate: the log-in in From, the number without plus in P-Preferred-Identity.
                Outbound {
                    numbers: Style::Digits,
                    user_phone: false,
                    from_account: true,
                    identity: Vouching::Preferred,
                    ..usual()
                },
                somebody(),
                "sip:4989123456@c | <sip:1234567t0@c> | P-Preferred-Identity: <sip:493023125001@c>",
            ),
            (
                Outbound { tel: true, ..usual() },
                somebody(),
                "tel:+4989123456 | <sip:+493023125001@c;user=phone> | \
                 P-Asserted-Identity: <sip:+493023125001@c;user=phone>",
            ),
            (
                Outbound { shows_caller: true, diverted: Diverted::Diversion, user_phone: false, ..usual() },
                somebody(),
                "sip:+4989123456@c | <sip:+491701234567@c> | P-Asserted-Identity: <sip:+493023125001@c> | \
                 Diversion: <sip:+493023125001@c>;reason=deflection;counter=1",
            ),
            (
                Outbound { shows_caller: true, user_phone: false, ..usual() },
                Calling::Withheld,
                "sip:+4989123456@c | \"Anonymous\" <sip:anonymous@anonymous.invalid> | \
                 P-Asserted-Identity: <sip:+493023125001@c> | Privacy: id",
            ),
            (
                Outbound { shows_caller: true, user_phone: false, ..usual() },
                Calling::Unknown,
                "sip:+4989123456@c | <sip:+493023125001@c> | P-Asserted-Identity: <sip:+493023125001@c>",
            ),
            (
                Outbound { diverted: Diverted::HistoryInfo, user_phone: false, ..usual() },
                Calling::Withheld,
                "sip:+4989123456@c | <sip:+493023125001@c> | P-Asserted-Identity: <sip:+493023125001@c> | \
                 History-Info: <sip:+493023125001@c>;index=1, <sip:+4989123456@c;cause=480>;index=1.1;mp=1",
            ),
        ] {
            assert_eq!(shape(&outbound, caller), expected);
        }
    }

    #[test]
    fn an_address_is_rung_as_it_is_and_nothing_else_is() {
        let usual = Outbound::default();
        for (target, expected) in [
            ("sip:chef@kanzlei.example", Some("sip:chef@kanzlei.example")),
            ("sips:chef@kanzlei.example;x=1?Subject=a", Some("sips:chef@kanzlei.example;x=1")),
            ("tel:123", None),
            ("+0", None),
            ("0900123", None),
        ] {
            let placed = written(&usual, target, Calling::Unknown);
            assert_eq!(placed.map(|placed| placed.target.to_string()).as_deref(), expected, "{target}");
        }
    }
}
