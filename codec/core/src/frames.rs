//! Frames: taken from a buffer, and made. The counterparts in Python are `ftwire.framing.python_take`, which is the
//! reference, and `ftwire.frame.encode_frame`.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyType};
use sha1::{Digest, Sha1};

use crate::cipher::{copied, Cipher};

pub const HEADER: usize = 44;
pub const MAGIC: &[u8] = b"FT";
/// Protocol ID of the handshake: the frames behind it may have another cipher.
const INIT_CONNECT: u32 = 1001;
/// Bytes of frames after which `take` returns.
const BATCH: usize = 16 * 1024;

/// `ftwire.frame.Frame`.
static FRAME: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Return the frames at `start` of a buffer that are in order, how many bytes they take, and how many bytes from there
/// on the next one needs: see `ftwire.framing.python_take`.
#[pyfunction]
#[pyo3(signature = (buffer, max_body, cipher, frame_types, start = 0, most = BATCH))]
pub fn take<'py>(
    py: Python<'py>,
    buffer: &Bound<'py, PyBytes>,
    max_body: &Bound<'py, PyAny>,
    cipher: &Bound<'py, PyAny>,
    frame_types: &Bound<'py, PyAny>,
    start: usize,
    most: usize,
) -> PyResult<(Bound<'py, PyList>, usize, usize)> {
    let frames = PyList::empty(py);
    let (class, encryption) = (FRAME.import(py, "ftwire.frame", "Frame")?, cipher.getattr(intern!(py, "name"))?);
    let codec = cipher.getattr(intern!(py, "_codec")).ok().and_then(|found| found.cast_into::<Codec>().ok());
    // No length in a header is larger than what an i64 holds.
    let max_body = match max_body.extract::<i64>() {
        Ok(max_body) => max_body,
        Err(_) if max_body.lt(0)? => -1,
        Err(_) => i64::MAX,
    };
    let mut rest = buffer.as_bytes().get(start..).unwrap_or_default();
    let size = rest.len();
    let enough = size.saturating_sub(most);
    let needed = loop {
        let Some((header, after)) = rest.split_at_checked(HEADER) else { break needed_for(rest) };
        let length = u32_at(header, 12) as usize;
        if !header.starts_with(MAGIC) || length as i64 > max_body {
            break 0;
        }
        let Some((payload, after)) = after.split_at_checked(length) else { break HEADER + length };
        let Some((payload, body)) = opened(py, codec.as_ref().map(Bound::get), cipher, payload)? else { break 0 };
        let digest = &header[16..36];
        if Sha1::digest(body.as_bytes())[..] != *digest {
            break 0;
        }
        let first = u64_at(header, 0).into_pyobject(py)?;
        let frame_type = frame_types.get_item(&first)?;
        // `ftwire.header.PackedHeader`
        let packed = (first, u32_at(header, 8), length, PyBytes::new(py, digest), u64_at(header, 36));
        frames.append(class.call1((packed, payload, body, frame_type, &encryption))?)?;
        rest = after;
        if rest.len() <= enough || u32_at(header, 2) == INIT_CONNECT {
            break 0;
        }
    };
    Ok((frames, size - rest.len(), needed))
}

/// How many bytes a frame needs whose header is not complete; 0 where no frame begins.
pub fn needed_for(beginning: &[u8]) -> usize {
    match beginning {
        [b'F', b'T', ..] => HEADER,
        [b'F'] => MAGIC.len(),
        _ => 0,
    }
}

/// Payload and body as objects; `None` where the payload does not decrypt.
fn opened<'py>(
    py: Python<'py>,
    codec: Option<&Codec>,
    cipher: &Bound<'py, PyAny>,
    payload: &[u8],
) -> PyResult<Option<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>> {
    if let Some(Codec(cipher)) = codec {
        let Some(body) = cipher.decrypt(py, payload) else { return Ok(None) };
        let payload = match cipher {
            Cipher::Plain => Some(body.clone()),
            _ => copied(py, payload),
        };
        return Ok(payload.map(|payload| (payload, body)));
    }
    let Some(payload) = copied(py, payload) else { return Ok(None) };
    match cipher.call_method1(intern!(py, "decrypt"), (&payload,)) {
        Ok(body) => Ok(Some((payload, body.cast_into::<PyBytes>()?))),
        // The same error is raised when Python opens the frame.
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The counterpart of a cipher in `ftwire.cipher`. Its key cannot be read back.
#[pyclass(frozen, module = "ftwire_core")]
pub struct Codec(pub Cipher);

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

pub fn u32_at(header: &[u8], at: usize) -> u32 {
    header[at..at + 4].iter().rev().fold(0, |value, &byte| value << 8 | u32::from(byte))
}

pub fn u64_at(header: &[u8], at: usize) -> u64 {
    header[at..at + 8].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}
