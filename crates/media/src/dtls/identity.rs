//! Our certificate, what our end of a handshake agrees to, and whether a peer's certificate is the one that was promised.

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::pkey::PKey;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef, SslSessionCacheMode,
};
use openssl::ssl::{SslVerifyMode, SslVersion};
use openssl::x509::X509;
use sha2::{Digest, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use super::{DATAGRAM, Fingerprint, Hash, Role};
use crate::Error;

/// Suites with forward secrecy. Those with CBC, which some telephones have alone, protect no more than the handshake's
/// last message here.
const SUITES: &str = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";
/// SRTP profiles, best first (RFC 5764 §4.1.2, RFC 7714 §14.2).
const PROFILES: &str = "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
/// Groups for key agreement.
const GROUPS: &str = "X25519:P-256:P-384";
/// OpenSSL's security level: 80 bits, since telephones come with RSA keys of 1,024 bits. Who they are is vouched for by
/// the fingerprint in signalling, not by who signed their certificate.
const SECURITY_LEVEL: u32 = 1;
/// Bytes of a cookie (RFC 6347 §4.2.1).
const COOKIE: usize = 16;

/// Our end's certificate with its key; made once by whoever runs the process, used in every handshake.
#[derive(Clone)]
pub struct Identity {
    fingerprint: Fingerprint,
    with_cookie: SslContext,
    without_cookie: SslContext,
}

impl Identity {
    /// A self-signed X.509 `certificate` (DER) with its private `key` (PKCS #8, DER): P-256, or what else peers take.
    ///
    /// # Errors
    /// [`Error::Identity`] if the key is none that can sign for this certificate.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        let context = |cookie| context(certificate, key, cookie).map_err(|_| Error::Identity);
        let (with_cookie, without_cookie) = (context(true)?, context(false)?);
        let fingerprint = fingerprint(certificate, Hash::Sha256).ok_or(Error::Identity)?;
        Ok(Self { fingerprint, with_cookie, without_cookie })
    }

    /// What signalling tells peers about our certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// One end of a handshake that has not begun.
    pub(super) fn end(&self, role: Role) -> Result<Ssl, ErrorStack> {
        let mut end = match role {
            Role::Server => Ssl::new(&self.with_cookie)?,
            Role::ServerOfProven | Role::Client => Ssl::new(&self.without_cookie)?,
        };
        end.set_mtu(u32::try_from(DATAGRAM).unwrap_or(u32::MAX))?;
        match role {
            Role::Client => end.set_connect_state(),
            Role::Server | Role::ServerOfProven => end.set_accept_state(),
        }
        Ok(end)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(‹redacted›)")
    }
}

fn context(certificate: &[u8], key: &[u8], cookie: bool) -> Result<SslContext, ErrorStack> {
    let mut context = SslContextBuilder::new(SslMethod::dtls())?;
    context.set_security_level(SECURITY_LEVEL);
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list(SUITES)?;
    context.set_groups_list(GROUPS)?;
    context.set_tlsext_use_srtp(PROFILES)?;
    context.set_certificate(X509::from_der(certificate)?.as_ref())?;
    context.set_private_key(PKey::private_key_from_pkcs8(key)?.as_ref())?;
    context.check_private_key()?;
    // Both ends show a certificate (RFC 5763 §5). Any will do here: what counts is its fingerprint, looked at before
    // keys are given out.
    context.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_, _| true);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_options(SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
    context.set_mode(SslMode::RELEASE_BUFFERS);
    if cookie {
        let own = Ssl::new_ex_index::<[u8; COOKIE]>()?;
        context.set_options(SslOptions::COOKIE_EXCHANGE);
        context.set_cookie_generate_cb(move |end, room| give_cookie(end, own, room));
        context.set_cookie_verify_cb(move |end, cookie| {
            end.ex_data(own).is_some_and(|given| given.as_slice().ct_eq(cookie).into())
        });
    }
    Ok(context.build())
}

/// Each end of a handshake has one cookie of its own, since it is with one address alone.
fn give_cookie(
    end: &mut SslRef,
    own: Index<Ssl, [u8; COOKIE]>,
    room: &mut [u8],
) -> Result<usize, ErrorStack> {
    let cookie = match end.ex_data(own) {
        Some(cookie) => *cookie,
        None => {
            let mut cookie = [0; COOKIE];
            openssl::rand::rand_bytes(&mut cookie)?;
            end.set_ex_data(own, cookie);
            cookie
        }
    };
    room.iter_mut().zip(cookie).for_each(|(to, byte)| *to = byte);
    Ok(room.len().min(COOKIE))
}

/// Whether a certificate is the promised one (RFC 8122 §6.2).
pub(super) fn matches(certificate: &[u8], promised: &Fingerprint) -> bool {
    fingerprint(certificate, promised.hash())
        .is_some_and(|found| found.digest().ct_eq(promised.digest()).into())
}

fn fingerprint(certificate: &[u8], hash: Hash) -> Option<Fingerprint> {
    match hash {
        Hash::Sha256 => Fingerprint::new(hash, &Sha256::digest(certificate)),
        Hash::Sha384 => Fingerprint::new(hash, &Sha384::digest(certificate)),
        Hash::Sha512 => Fingerprint::new(hash, &Sha512::digest(certificate)),
    }
}
