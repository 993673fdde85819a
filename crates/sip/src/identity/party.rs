//! What a URI says about a party.

use super::{NumberPlan, Party};
use crate::uri::Uri;

/// The number that a URI names, else its `user@host`; none without a user.
pub(super) fn party(uri: &Uri, plan: &NumberPlan) -> Option<Party> {
    if let Some(number) = plan.number(uri) {
        return Some(Party::Number(number));
    }
    let user = uri.user_decoded()?;
    Some(Party::Address(match &uri.host {
        Some(host) => format!("{user}@{host}"),
        None => user,
    }))
}
