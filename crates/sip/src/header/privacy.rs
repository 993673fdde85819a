//! Privacy: what the caller does not want to be known (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1).

use rsip::Headers;

use super::values;
use crate::chars::trim;

/// The kinds of privacy asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// `id`: the asserted identity goes to nobody who is not trusted.
    pub id: bool,
    /// `user`: the user-level identity is withheld.
    pub user: bool,
    /// `header`: headers that give the user away are withheld.
    pub header: bool,
    /// `session`: so is the session's.
    pub session: bool,
    /// `history`: entries of History-Info are withheld.
    pub history: bool,
    /// `none`: nothing is to be withheld, whatever a network would do by itself.
    pub none: bool,
    /// `critical`: a network that cannot give this privacy must refuse.
    pub critical: bool,
}

impl Privacy {
    /// Reads one value: kinds separated by `;` (in the field also by `,`). Unknown kinds are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut privacy = Self::default();
        for kind in text.trim_matches('"').split([';', ',']).map(trim) {
            match kind.to_ascii_lowercase().as_str() {
                "id" => privacy.id = true,
                "user" => privacy.user = true,
                "header" => privacy.header = true,
                "session" => privacy.session = true,
                "history" => privacy.history = true,
                "none" => privacy.none = true,
                "critical" => privacy.critical = true,
                // Cisco and Broadworks write RPID and Diversion values here.
                "full" | "uri" | "name" => privacy.user = true,
                _ => {}
            }
        }
        privacy
    }

    /// Whether who is calling must not be known. A contradicting `none` does not make it known.
    #[must_use]
    pub fn withholds_caller(self) -> bool {
        self.id || self.user || self.header
    }
}

/// What all Privacy headers of a message ask for.
#[must_use]
pub fn privacy(headers: &Headers) -> Privacy {
    Privacy::parse(&values(headers, "Privacy").collect::<Vec<_>>().join(";"))
}

#[cfg(test)]
mod tests {
    use rsip::Headers;

    use super::privacy;
    use crate::wire;

    #[test]
    fn kinds_are_gathered_over_all_headers() {
        let headers =
            Headers::from(vec![wire::header("Privacy", "ID ; critical"), wire::header("privacy", "history")]);
        let found = privacy(&headers);
        assert!(found.id && found.critical && found.history && !found.user && found.withholds_caller());
        assert!(!privacy(&wire::header("Privacy", "none").into()).withholds_caller());
        assert!(privacy(&wire::header("Privacy", "none;id").into()).withholds_caller());
        assert!(!privacy(&Headers::default()).withholds_caller());
    }
}
