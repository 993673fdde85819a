//! Counter mode: what both packets and session keys are made with.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::{CtrCore, flavors};

/// Encrypts or decrypts in counter mode (RFC 3711 §4.1.1).
pub(super) fn keystream<A>(aes: &A, counter: &[u8; 16], body: &mut [u8])
where
    A: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let core = CtrCore::<&A, flavors::Ctr128BE>::inner_iv_init(aes, counter.into());
    StreamCipherCoreWrapper::from_core(core).apply_keystream(body);
}
