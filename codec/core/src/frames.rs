//! Frames cut from a chunk, and made: what `ftwire.stream` and `ftwire.frame` do with those that are in order.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use sha1::{Digest, Sha1};

use crate::cipher::{copied, Cipher};

const HEADER: usize = 44;
const MAGIC: &[u8] = b"FT";

/// A frame: the header's pieces (`ftwire.header.CompactFields`), payload, body.
type Cut<'py> = ((u64, u32, usize, Bound<'py, PyBytes>, u64), Bound<'py, PyBytes>, Bound<'py, PyBytes>);

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
        while let Some((frame, after)) = self.first(py, rest, largest) {
            frames.append(frame)?;
            rest = after;
            if rest.len() <= enough {
                break;
            }
        }
        Ok(frames)
    }

    /// Cut all of them from the start of `data`. Returned with where they end, and how many bytes are needed from
    /// there to go on: 0 where nothing is left, or where what is left is not the beginning of such a frame.
    fn take<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyBytes>,
        largest: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyList>, usize, usize)> {
        let frames = PyList::empty(py);
        let Ok(largest) = largest.extract::<usize>() else { return Ok((frames, 0, 0)) };
        let mut rest = data.as_bytes();
        while let Some((frame, after)) = self.first(py, rest, largest) {
            frames.append(frame)?;
            rest = after;
        }
        Ok((frames, data.as_bytes().len() - rest.len(), wanted(rest, largest)))
    }

    /// The same for data that is one frame and nothing else; `None` where it is not.
    fn one<'py>(&self, py: Python<'py>, data: &Bound<'py, PyBytes>, largest: &Bound<'py, PyAny>) -> Option<Cut<'py>> {
        let data = data.as_bytes();
        let length = data.len().checked_sub(HEADER)?;
        if u32_at(data, 12) as usize != length {
            return None;
        }
        Some(self.first(py, data, largest.extract().ok()?)?.0)
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

impl Codec {
    /// The frame at the start of `data`, and what is behind it; `None` where there is none that is in order.
    fn first<'py, 'a>(&self, py: Python<'py>, data: &'a [u8], largest: usize) -> Option<(Cut<'py>, &'a [u8])> {
        let (header, after) = data.split_at_checked(HEADER)?;
        let length = u32_at(header, 12) as usize;
        if !header.starts_with(MAGIC) || length > largest {
            return None;
        }
        let (payload, after) = after.split_at_checked(length)?;
        let body = self.0.decrypt(py, payload)?;
        let digest = &header[16..36];
        if Sha1::digest(body.as_bytes())[..] != *digest {
            return None;
        }
        let payload = match self.0 {
            Cipher::Plain => body.clone(),
            _ => copied(py, payload)?,
        };
        let compact = (u64_at(header, 0), u32_at(header, 8), length, PyBytes::new(py, digest), u64_at(header, 36));
        Some(((compact, payload, body), after))
    }
}

/// How many bytes of a frame are needed of which these have come; 0 where nothing, or something else has.
fn wanted(start: &[u8], largest: usize) -> usize {
    match start.split_at_checked(HEADER) {
        Some((header, after)) => {
            let length = u32_at(header, 12) as usize;
            let waits = header.starts_with(MAGIC) && length <= largest && length > after.len();
            if waits {
                HEADER + length
            } else {
                0
            }
        }
        None if start.len() >= MAGIC.len() && start.starts_with(MAGIC) => HEADER,
        None if start == &MAGIC[..1] => MAGIC.len(),
        None => 0,
    }
}

fn u32_at(header: &[u8], at: usize) -> u32 {
    header[at..at + 4].iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

fn u64_at(header: &[u8], at: usize) -> u64 {
    header[at..at + 8].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}
