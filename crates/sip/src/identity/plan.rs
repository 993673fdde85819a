//! Telephone numbers as carriers write them, made international (E.164, RFC 3966).

use vorzimmer_types::E164;

use crate::uri::{Scheme, Uri, decode};

/// How numbers are dialled where a trunk ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberPlan {
    country: String,
    international: String,
    national: String,
    area: Option<String>,
    pub(super) called_in: CalledIn,
}

/// Where a trunk tells which number was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CalledIn {
    /// In the request line, as RFC 3261 has it.
    #[default]
    RequestUri,
    /// In To: the request line names the trunk's account, which may itself look like a number.
    To,
}

/// How a trunk wants numbers to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// `+493023125001`.
    #[default]
    E164,
    /// `493023125001`.
    Digits,
    /// As dialled from abroad: `00493023125001`.
    International,
    /// As dialled at home: `03023125001`; numbers of other countries as [`Style::International`].
    National,
}

/// What is wrong with a number plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} of a number plan must be {wanted}")]
pub struct PlanError {
    /// Which part.
    pub part: &'static str,
    /// What it should look like.
    pub wanted: &'static str,
}

/// The fewest digits after a country code without plus or prefix, so that a local number is not taken for one.
const SHORTEST_AFTER_COUNTRY: usize = 7;
/// How many digits a local number without area code has. Fewer are an extension of somebody's PBX.
const LOCAL: std::ops::RangeInclusive<usize> = 5..=9;

impl NumberPlan {
    /// A plan: country code (`49`), international prefix (`00`), national prefix (`0`, or empty where numbers are dialled
    /// in full), and the area code (`30`) that local numbers belong to.
    ///
    /// # Errors
    /// [`PlanError`] naming the part that is not made of the right digits.
    pub fn new(
        country: &str,
        international: &str,
        national: &str,
        area: Option<&str>,
    ) -> Result<Self, PlanError> {
        let check = |text: &str, part, wanted, lengths: std::ops::RangeInclusive<usize>, no_zero: bool| {
            let digits = text.bytes().all(|b| b.is_ascii_digit()) && lengths.contains(&text.len());
            if digits && !(no_zero && text.starts_with('0')) {
                Ok(())
            } else {
                Err(PlanError { part, wanted })
            }
        };
        check(country, "the country code", "1 to 3 digits, the first not 0", 1..=3, true)?;
        check(international, "the international prefix", "1 to 5 digits", 1..=5, false)?;
        check(national, "the national prefix", "at most 3 digits", 0..=3, false)?;
        check(area.unwrap_or("1"), "the area code", "1 to 6 digits, the first not 0", 1..=6, true)?;
        Ok(Self {
            country: country.to_owned(),
            international: international.to_owned(),
            national: national.to_owned(),
            area: area.map(str::to_owned),
            called_in: CalledIn::default(),
        })
    }

    /// Germany: 49, 00, 0.
    #[must_use]
    pub fn germany() -> Self {
        Self {
            country: "49".into(),
            international: "00".into(),
            national: "0".into(),
            area: None,
            called_in: CalledIn::default(),
        }
    }

    /// The same plan for a trunk that tells the number reached elsewhere.
    #[must_use]
    pub fn with_called_in(self, called_in: CalledIn) -> Self {
        Self { called_in, ..self }
    }

    /// The number that a URI names; none if its user part is not a telephone number.
    #[must_use]
    pub fn number(&self, uri: &Uri) -> Option<E164> {
        if let Scheme::Other(_) = uri.scheme {
            return None;
        }
        let user = decode(uri.user.as_deref()?);
        // RFC 3261 §19.1.6: a telephone-subscriber in a user part brings its own parameters (rn, npdi, phone-context).
        let (number, params) = user.split_at(user.find(';').unwrap_or(user.len()));
        let inner = crate::uri::Params(params).value("phone-context").map(|context| context.into_owned());
        let context = inner.or_else(|| uri.param("phone-context").flatten().map(str::to_owned));
        self.written(number, context.as_deref())
    }

    /// The number that a text writes: international, national, with country code alone, or local.
    #[must_use]
    pub fn written(&self, text: &str, context: Option<&str>) -> Option<E164> {
        // `+49 (0)30`: the zero in brackets is what is left out when dialling from abroad.
        let text = if text.starts_with('+') { text.replacen("(0)", "", 1) } else { text.to_owned() };
        let digits: String =
            text.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')' | '/' | ' ')).collect();
        let significant = digits.strip_prefix('+').unwrap_or(&digits);
        if significant.is_empty() || !significant.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let international = if significant.len() < digits.len() {
            self.without_trunk_zero(significant)
        } else if let Some(rest) = significant.strip_prefix(&self.international) {
            self.without_trunk_zero(rest)
        } else {
            self.dialled_here(significant, context)?
        };
        format!("+{international}").parse().ok()
    }

    /// The number in this style: what [`NumberPlan::written`] reads.
    #[must_use]
    pub fn write(&self, number: &E164, style: Style) -> String {
        let digits = number.as_str().trim_start_matches('+');
        let abroad = || format!("{}{digits}", self.international);
        match style {
            Style::E164 => number.as_str().to_owned(),
            Style::Digits => digits.to_owned(),
            Style::International => abroad(),
            Style::National => match digits.strip_prefix(&self.country) {
                Some(at_home) => format!("{}{at_home}", self.national),
                None => abroad(),
            },
        }
    }

    /// `+49030…`: some gateways put the country code before the national prefix.
    fn without_trunk_zero(&self, number: &str) -> String {
        let national = number.strip_prefix(&self.country).filter(|_| !self.national.is_empty());
        match national.and_then(|rest| rest.strip_prefix(&self.national)) {
            Some(rest) => format!("{}{rest}", self.country),
            None => number.to_owned(),
        }
    }

    /// A number without plus or international prefix.
    fn dialled_here(&self, number: &str, context: Option<&str>) -> Option<String> {
        let national = Some(&self.national).filter(|prefix| !prefix.is_empty());
        if let Some(rest) = national.and_then(|prefix| number.strip_prefix(prefix.as_str())) {
            return Some(format!("{}{rest}", self.country));
        }
        // RFC 3966 §5.1.4: a global context is put before the number.
        let context: Option<String> = context
            .and_then(|context| context.strip_prefix('+'))
            .map(|prefix| prefix.chars().filter(char::is_ascii_digit).collect());
        if let Some(prefix) = context {
            return Some(format!("{prefix}{number}"));
        }
        let after_country = number.strip_prefix(&self.country);
        if after_country.is_some_and(|rest| rest.len() >= SHORTEST_AFTER_COUNTRY) {
            return Some(number.to_owned());
        }
        let area = self.area.as_ref().filter(|_| LOCAL.contains(&number.len()))?;
        Some(format!("{}{area}{number}", self.country))
    }
}

#[cfg(test)]
mod tests {
    use super::{NumberPlan, PlanError, Style};
    use crate::uri::Uri;

    fn german(uri: &str) -> Option<String> {
        let plan = NumberPlan::new("49", "00", "0", Some("30")).unwrap();
        plan.number(&Uri::parse(uri).unwrap()).map(|number| number.as_str().to_owned())
    }

    #[test]
    fn every_way_to_write_one_number() {
        for uri in [
            "sip:+493023125001@h",
            "sip:+493023125001@h;user=phone",
            "sip:%2B493023125001@h",
            "sip:00493023125001@h",
            "sip:03023125001@h",
            "sip:493023125001@h;user=phone",
            "sip:493023125001@h",
            "sip:23125001@h",
            "sip:+49-30-23125-001@h",
            "sip:+49(0)3023125001@h",
            "sip:+4903023125001@h",
            "sip:0049030-23125001@h",
            "sip:+493023125001;npdi;rn=+491999@h;user=phone",
            "sip:+493023125001;ext=12@h",
            "sip:3023125001;phone-context=+49@h;user=phone",
            "sip:3023125001@h;phone-context=+49",
            "tel:+49-30-23125-001",
            "tel:+49-30-23125-001;phone-context=+49",
            "tel:030.23125.001;phone-context=+49",
            "tel:23125-001;phone-context=+49-30",
            "tel:23125001;phone-context=example.com",
        ] {
            assert_eq!(german(uri).as_deref(), Some("+493023125001"), "{uri}");
        }
        // Extension digits are part of the number (E.164 §6.2: direct dialling in).
        assert_eq!(german("sip:030-23125-0017@h").as_deref(), Some("+4930231250017"));
        assert_eq!(german("sip:+442079460123@h").as_deref(), Some("+442079460123"));
        assert_eq!(german("sip:00442079460123@h").as_deref(), Some("+442079460123"));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for uri in [
            "sip:alice@h",
            "sip:h",
            "sip:1234567t0@h",
            "sip:*31#03023125001@h",
            "sip:201@h",
            "sip:+0123@h",
            "sip:+1234567890123456@h",
            "sip:1234567890@h",
            "mailto:+493023125001",
            "tel:+49-30-",
        ] {
            assert_ne!(german(uri).as_deref(), Some("+493023125001"), "{uri}");
        }
        assert_eq!(german("sip:alice@h"), None);
        assert_eq!(german("sip:2010@h"), None, "an extension is no local number");
        assert_eq!(german("sip:1234567890@h"), None, "neither local nor with a prefix");
    }

    #[test]
    fn every_style_is_read_back() {
        use Style::{Digits, E164, International, National};
        let germany = NumberPlan::new("49", "00", "0", None).unwrap();
        let denmark = NumberPlan::new("45", "00", "", None).unwrap();
        let america = NumberPlan::new("1", "011", "1", None).unwrap();
        for (plan, number, style, expected) in [
            (&germany, "+493023125001", E164, "+493023125001"),
            (&germany, "+493023125001", Digits, "493023125001"),
            (&germany, "+493023125001", International, "00493023125001"),
            (&germany, "+493023125001", National, "03023125001"),
            (&germany, "+442079460123", E164, "+442079460123"),
            (&germany, "+442079460123", International, "00442079460123"),
            (&germany, "+442079460123", National, "00442079460123"),
            (&germany, "+49800330100", National, "0800330100"),
            (&denmark, "+4533123456", National, "33123456"),
            (&denmark, "+4533123456", International, "004533123456"),
            (&america, "+12125550123", National, "12125550123"),
            (&america, "+493023125001", National, "011493023125001"),
        ] {
            let number: vorzimmer_types::E164 = number.parse().unwrap();
            let written = plan.write(&number, style);
            assert_eq!(written, expected, "{style:?} of {number:?}");
            // Denmark has no prefix by which a national number could be told from any other digits.
            if expected != "33123456" {
                assert_eq!(plan.written(&written, None), Some(number), "{written}");
            }
        }
    }

    #[test]
    fn a_plan_is_made_of_digits() {
        let part = |result: Result<NumberPlan, PlanError>| result.err().map(|e| e.part);
        assert_eq!(part(NumberPlan::new("049", "00", "0", None)), Some("the country code"));
        assert_eq!(part(NumberPlan::new("49", "", "0", None)), Some("the international prefix"));
        assert_eq!(part(NumberPlan::new("49", "00", "O", None)), Some("the national prefix"));
        assert_eq!(part(NumberPlan::new("49", "00", "0", Some("030"))), Some("the area code"));
        assert_eq!(part(NumberPlan::new("45", "00", "", None)), None);
    }
}
