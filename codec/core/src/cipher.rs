//! The ciphers of `ftwire.cipher`, for payloads that are well-formed: AES-128 as OpenD uses it.

use aes::cipher::generic_array::GenericArray;
use aes::cipher::inout::InOutBuf;
use aes::cipher::{BlockDecrypt, BlockEncrypt, BlockEncryptMut, InnerIvInit, KeyInit};
use aes::Aes128;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;

const BLOCK: usize = 16;

/// Bytes that are decrypted at once before the chaining is undone, while they are in the processor's nearest cache.
const RUN: usize = 4096;

/// Bytes up to which an allocation is assumed to succeed: pyo3 panics if a copy fails, and `new_with` costs more.
const SMALL: usize = 1 << 16;

/// A cipher with its key, which is wiped when it is dropped.
pub enum Cipher {
    Plain,
    FtAesEcb(Aes128),
    AesEcb(Aes128),
    AesCbc(Aes128, Zeroizing<[u8; BLOCK]>),
}

impl Cipher {
    /// The cipher of this name in `ftwire.cipher`; `None` for other names, and keys that are not 16 bytes.
    pub fn new(name: &str, key: &[u8], iv: &[u8]) -> Option<Self> {
        if name == "none" {
            return Some(Cipher::Plain);
        }
        let aes = Aes128::new_from_slice(key).ok()?;
        match name {
            "ftaes_ecb" => Some(Cipher::FtAesEcb(aes)),
            "aes_ecb" => Some(Cipher::AesEcb(aes)),
            "aes_cbc" => Some(Cipher::AesCbc(aes, Zeroizing::new(iv.try_into().ok()?))),
            _ => None,
        }
    }

    /// The plain body of a payload; `None` where length or padding are wrong.
    pub fn decrypt<'py>(&self, py: Python<'py>, payload: &[u8]) -> Option<Bound<'py, PyBytes>> {
        if let Cipher::Plain = self {
            return copied(py, payload);
        }
        let size = self.body_size(payload)?;
        PyBytes::new_with(py, size, |out| {
            self.decrypt_into(payload, out);
            Ok(())
        })
        .ok()
    }

    /// Bytes in the plain body of a payload; `None` where length or padding are wrong.
    pub fn body_size(&self, payload: &[u8]) -> Option<usize> {
        let size = payload.len();
        if let Cipher::Plain = self {
            return Some(size);
        }
        if size == 0 || !size.is_multiple_of(BLOCK) {
            return None;
        }
        match self {
            Cipher::Plain => Some(size),
            Cipher::FtAesEcb(_) => {
                // The last block is not encrypted, and its last byte is the number of body bytes in the block before.
                let over = usize::from(payload[size - 1]);
                let padded = size - BLOCK;
                if over == 0 {
                    Some(padded)
                } else if over < BLOCK && padded > 0 {
                    Some(padded - BLOCK + over)
                } else {
                    None
                }
            }
            Cipher::AesEcb(aes) => Some(size - padding(aes, None, payload)?),
            Cipher::AesCbc(aes, iv) => Some(size - padding(aes, Some(iv), payload)?),
        }
    }

    /// Decrypt a payload into its plain body, which has exactly `body_size` bytes.
    pub fn decrypt_into(&self, payload: &[u8], out: &mut [u8]) {
        match self {
            Cipher::Plain => out.copy_from_slice(payload),
            Cipher::FtAesEcb(aes) | Cipher::AesEcb(aes) => body(aes, None, payload, out),
            Cipher::AesCbc(aes, iv) => body(aes, Some(iv), payload, out),
        }
    }

    /// Bytes in the payload of a body of this size.
    pub fn payload_size(&self, body: usize) -> usize {
        match self {
            Cipher::Plain => body,
            Cipher::FtAesEcb(_) => body.next_multiple_of(BLOCK) + BLOCK,
            Cipher::AesEcb(_) | Cipher::AesCbc(..) => body - body % BLOCK + BLOCK,
        }
    }

    /// Encrypt a body into exactly the bytes of its payload, which are zero before.
    pub fn encrypt(&self, body: &[u8], payload: &mut [u8]) {
        let size = payload.len();
        let over = body.len() % BLOCK;
        payload[..body.len()].copy_from_slice(body);
        match self {
            Cipher::Plain => {}
            Cipher::FtAesEcb(aes) => {
                payload[size - 1] = over as u8;
                aes.encrypt_blocks_inout(InOutBuf::from(&mut payload[..size - BLOCK]).into_chunks().0);
            }
            Cipher::AesEcb(aes) => {
                payload[body.len()..].fill((BLOCK - over) as u8);
                aes.encrypt_blocks_inout(InOutBuf::from(payload).into_chunks().0);
            }
            Cipher::AesCbc(aes, iv) => {
                payload[body.len()..].fill((BLOCK - over) as u8);
                let mut chain = cbc::Encryptor::<&Aes128>::inner_iv_init(aes, GenericArray::from_slice(&iv[..]));
                chain.encrypt_blocks_inout_mut(InOutBuf::from(payload).into_chunks().0);
            }
        }
    }
}

/// These bytes as an object; `None` where there is no memory for them.
pub fn copied<'py>(py: Python<'py>, bytes: &[u8]) -> Option<Bound<'py, PyBytes>> {
    if bytes.len() <= SMALL {
        return Some(PyBytes::new(py, bytes));
    }
    PyBytes::new_with(py, bytes.len(), |out| {
        out.copy_from_slice(bytes);
        Ok(())
    })
    .ok()
}

/// The length of the PKCS#7 padding that a payload ends in; `None` where there is none.
fn padding(aes: &Aes128, iv: Option<&[u8; BLOCK]>, payload: &[u8]) -> Option<usize> {
    let mut last = [0; BLOCK];
    decrypt_run(aes, iv, payload, payload.len() - BLOCK, &mut last);
    let count = usize::from(last[BLOCK - 1]);
    let is_padding = (1..=BLOCK).contains(&count) && last[BLOCK - count..].iter().all(|&byte| byte == last[BLOCK - 1]);
    is_padding.then_some(count)
}

/// Decrypt the first bytes of a payload, as many as `out` holds.
fn body(aes: &Aes128, iv: Option<&[u8; BLOCK]>, payload: &[u8], out: &mut [u8]) {
    let length = out.len();
    let whole = length - length % BLOCK;
    for at in (0..whole).step_by(RUN) {
        decrypt_run(aes, iv, payload, at, &mut out[at..whole.min(at + RUN)]);
    }
    if whole < length {
        let mut last = [0; BLOCK];
        decrypt_run(aes, iv, payload, whole, &mut last);
        out[whole..].copy_from_slice(&last[..length - whole]);
    }
}

/// Decrypt as many bytes as `out` holds, a multiple of 16, from offset `at` on.
fn decrypt_run(aes: &Aes128, iv: Option<&[u8; BLOCK]>, payload: &[u8], at: usize, out: &mut [u8]) {
    let end = at + out.len();
    if let Ok(blocks) = InOutBuf::new(&payload[at..end], out) {
        aes.decrypt_blocks_inout(blocks.into_chunks().0);
    }
    if let Some(iv) = iv {
        let (first, rest) = out.split_at_mut(BLOCK);
        xor(first, if at == 0 { iv } else { &payload[at - BLOCK..at] });
        xor(rest, &payload[at..end - BLOCK]);
    }
}

fn xor(out: &mut [u8], with: &[u8]) {
    for (byte, other) in out.iter_mut().zip(with) {
        *byte ^= other;
    }
}
