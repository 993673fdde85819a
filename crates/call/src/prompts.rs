//! The prompts that calls play, by name: the one list that `config/prompts` is made from.
//!
//! Greetings are named by the customer and are not listed here. What a consent question says and when it is played is
//! the business of the `consent` crate; here stands which words belong to which question.

/// Asks the caller before a receptionist is rung: may we record? 1 is yes, 2 is no.
pub const CONSENT_ASK: &str = "consent-ask";
/// The same question once more, shorter, after a key that means nothing.
pub const CONSENT_REPEAT: &str = "consent-repeat";
/// After a yes.
pub const CONSENT_THANKS: &str = "consent-thanks";
/// After anything but a yes: it will not be recorded, and the call goes on.
pub const CONSENT_DECLINED: &str = "consent-declined";
/// Asks a receptionist without a standing consent, before she is connected.
pub const CONSENT_ASK_RECEPTIONIST: &str = "consent-ask-receptionist";
/// Asks both while they are talking; both hear it.
pub const CONSENT_IN_CALL: &str = "consent-in-call";
/// Tells both that the recording has stopped.
pub const WITHDRAWN: &str = "withdrawn";
/// To a receptionist: nobody was reached, and she is with the caller again.
pub const TRANSFER_FAILED: &str = "transfer-failed";
/// To a receptionist: whom she named is nobody to whom a call may be put through.
pub const TRANSFER_NOT_ALLOWED: &str = "transfer-not-allowed";
/// Nobody took the call; we hang up after it.
pub const NOBODY_THERE: &str = "nobody-there";
/// The call ends without anybody's doing (a receptionist's phone was lost, the longest call is over).
pub const GOODBYE: &str = "goodbye";

/// All of them.
pub const ALL: [&str; 11] = [
    CONSENT_ASK,
    CONSENT_REPEAT,
    CONSENT_THANKS,
    CONSENT_DECLINED,
    CONSENT_ASK_RECEPTIONIST,
    CONSENT_IN_CALL,
    WITHDRAWN,
    TRANSFER_FAILED,
    TRANSFER_NOT_ALLOWED,
    NOBODY_THERE,
    GOODBYE,
];

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_prompt_is_shipped_in_both_languages() {
        let list = include_str!("../../../config/prompts/prompts.toml");
        for name in ALL {
            for language in ["de", "en"] {
                assert!(list.contains(&format!("file = \"{language}/{name}.wav\"")), "{language}/{name}");
            }
        }
    }
}
