//! Credentials for the operator's TURN server that end by themselves.
//!
//! The scheme is that of draft-uberti-behave-turn-rest, which coturn calls `use-auth-secret`: the user name is when it
//! ends and whose it is, the password an HMAC-SHA1 of that under a secret which the TURN server shares with us. Nothing
//! is stored, and the TURN server asks nobody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha1::Sha1;
use vorzimmer_types::UnixMillis;

use crate::config::Turn;
use crate::failure::{Failure, Kind};
use crate::private;

/// A browser's way to the TURN server; as JSON it is an `RTCIceServer`, ready to be used.
#[derive(Serialize)]
pub struct IceServer {
    /// Where it is.
    pub urls: Vec<String>,
    /// When it ends, as a Unix time, and whose it is.
    pub username: String,
    /// The password.
    pub credential: String,
}

/// Credentials for `login` that end in as long as the settings say.
///
/// # Errors
/// There is no TURN server, or its secret cannot be read.
pub fn credentials(turn: &Turn, login: &str, now: UnixMillis) -> Result<IceServer, Failure> {
    let file = turn.secret_file.as_ref().ok_or_else(|| {
        Failure::failed("no TURN server is configured", "write turn.urls and turn.secret_file")
            .of_kind(Kind::Configuration)
    })?;
    let text = private::text(file).map_err(|error| {
        Failure::failed(
            format!("turn.secret_file {}: {error}", file.display()),
            "write coturn's static-auth-secret into its first line, and chmod 600 the file",
        )
        .of_kind(Kind::Configuration)
    })?;
    let secret = text.lines().next().unwrap_or_default();
    let ends = now.0 / 1_000 + i64::try_from(turn.lifetime_s).unwrap_or(i64::MAX / 2);
    let username = format!("{ends}:{login}");
    let credential = password(secret, &username)
        .ok_or_else(|| Failure::failed("no password can be made", "this is a bug: please report it"))?;
    Ok(IceServer { urls: turn.urls.clone(), username, credential })
}

fn password(secret: &str, username: &str) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(username.as_bytes());
    Some(STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::password;

    /// As `printf '1433895918:anna' | openssl dgst -binary -sha1 -hmac north | base64` has it.
    #[test]
    fn the_password_is_what_coturn_computes() {
        assert_eq!(password("north", "1433895918:anna").as_deref(), Some("s4DzciylmrKf2GhMesJPonAUQ6w="));
    }
}
