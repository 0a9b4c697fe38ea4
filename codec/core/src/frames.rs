//! Frames cut from a chunk, and made: what `ftwire.stream` and `ftwire.frame` do with those that are in order.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use sha1::{Digest, Sha1};

use crate::cipher::{copied, Cipher};

const HEADER: usize = 44;
const MAGIC: &[u8] = b"FT";

/// Cuts and makes frames under one cipher.
#[pyclass(frozen, module = "ftwire_core")]
pub struct Codec(Cipher);

#[pymethods]
impl Codec {
    #[new]
    #[pyo3(signature = (name, key = None, iv = None))]
    fn new(name: &str, key: Option<&[u8]>, iv: Option<&[u8]>) -> PyResult<Self> {
        match Cipher::new(name, key.unwrap_or_default(), iv.unwrap_or_default()) {
            Some(cipher) => Ok(Codec(cipher)),
            None => Err(PyValueError::new_err("no such cipher, or key and IV are not 16 bytes")),
        }
    }

    /// Cut whole frames whose body is at most `largest` bytes and agrees with its digest, from offset `at` on,
    /// up to the first that is not so, or until they make `most` bytes. Each is a tuple of the header's pieces
    /// (`ftwire.header.CompactFields`), payload and body.
    fn cut<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyBytes>,
        at: usize,
        largest: &Bound<'py, PyAny>,
        most: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let frames = PyList::empty(py);
        let Ok(largest) = largest.extract::<usize>() else { return Ok(frames) };
        let mut rest = data.as_bytes().get(at..).unwrap_or_default();
        let enough = rest.len().saturating_sub(most);
        while let Some((header, after)) = rest.split_at_checked(HEADER) {
            let length = u32_at(header, 12) as usize;
            if !header.starts_with(MAGIC) || length > largest || length > after.len() {
                break;
            }
            let (payload, after) = after.split_at(length);
            let Some(body) = self.0.decrypt(py, payload) else { break };
            let digest = &header[16..36];
            if Sha1::digest(body.as_bytes())[..] != *digest {
                break;
            }
            let payload = match self.0 {
                Cipher::Plain => body.clone(),
                _ => match copied(py, payload) {
                    Some(payload) => payload,
                    None => break,
                },
            };
            let compact = (u64_at(header, 0), u32_at(header, 8), length, PyBytes::new(py, digest), u64_at(header, 36));
            frames.append((compact, payload, body))?;
            rest = after;
            if rest.len() <= enough {
                break;
            }
        }
        Ok(frames)
    }

    /// Return the bytes of a frame; `None` where a number does not fit its field or the body is no `bytes`.
    fn encode<'py>(
        &self,
        py: Python<'py>,
        proto_id: &Bound<'py, PyAny>,
        body_format: &Bound<'py, PyAny>,
        serial: &Bound<'py, PyAny>,
        body: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let (Ok(proto_id), Ok(body_format), Ok(serial), Ok(body)) =
            (proto_id.extract::<u32>(), body_format.extract::<u8>(), serial.extract::<u32>(), body.cast::<PyBytes>())
        else {
            return Ok(None);
        };
        let body = body.as_bytes();
        let size = self.0.payload_size(body.len());
        let Ok(length) = u32::try_from(size) else { return Ok(None) };
        let frame = PyBytes::new_with(py, HEADER + size, |frame| {
            let (header, payload) = frame.split_at_mut(HEADER);
            header[..2].copy_from_slice(MAGIC);
            header[2..6].copy_from_slice(&proto_id.to_le_bytes());
            header[6] = body_format;
            header[8..12].copy_from_slice(&serial.to_le_bytes());
            header[12..16].copy_from_slice(&length.to_le_bytes());
            header[16..36].copy_from_slice(&Sha1::digest(body));
            self.0.encrypt(body, payload);
            Ok(())
        });
        frame.map(Some)
    }
}

fn u32_at(header: &[u8], at: usize) -> u32 {
    header[at..at + 4].iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

fn u64_at(header: &[u8], at: usize) -> u64 {
    header[at..at + 8].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}
