//! Bodies of frames in columns: the twin of `ftwire.body_columns.PythonBodyColumns`, which says what its methods do.

use std::collections::BTreeMap;

use pyo3::exceptions::PyMemoryError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sha1::{Digest, Sha1};

use crate::frames::{needed_for, u32_at, u64_at, Codec, HEADER, MAGIC};

/// Most bytes of bodies in one column: Arrow's offsets are 32 bits.
const MAX_BODIES: usize = i32::MAX as usize;

/// Frames of one type.
#[derive(Default)]
struct Column {
    numbers: Vec<i64>,
    times: Vec<i64>,
    conversations: Vec<i64>,
    serials: Vec<u32>,
    /// Where each body ends.
    ends: Vec<i32>,
    bodies: Vec<u8>,
}

impl Column {
    /// Make room for a frame; `false` where there is no memory for it, or no offset.
    fn reserve(&mut self, body: usize) -> PyResult<bool> {
        if body > MAX_BODIES - self.bodies.len() {
            return Ok(false);
        }
        let room = self.bodies.try_reserve(body).is_ok()
            && self.numbers.try_reserve(1).is_ok()
            && self.times.try_reserve(1).is_ok()
            && self.conversations.try_reserve(1).is_ok()
            && self.serials.try_reserve(1).is_ok()
            && self.ends.try_reserve(1).is_ok();
        room.then_some(true).ok_or_else(|| PyMemoryError::new_err("no memory for the bodies of a capture"))
    }

    /// Forget all frames, and keep the memory for the next ones.
    fn clear(&mut self) {
        self.numbers.clear();
        self.times.clear();
        self.conversations.clear();
        self.serials.clear();
        self.ends.clear();
        self.bodies.clear();
    }
}

/// Place, numbers, times, conversations, serials, offsets and bodies.
type Taken<'py> = (
    usize,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
);

/// Frames of the wanted types, each type in columns.
#[pyclass(module = "ftwire_core")]
pub struct BodyColumns {
    /// The first eight bytes of a header to the index of its columns; `None` for frames that are only counted.
    places: BTreeMap<u64, Option<usize>>,
    columns: Vec<Column>,
    size: usize,
    frames: usize,
}

#[pymethods]
impl BodyColumns {
    #[new]
    fn new(places: BTreeMap<u64, i64>) -> Self {
        let places: BTreeMap<_, _> =
            places.into_iter().map(|(first, place)| (first, usize::try_from(place).ok())).collect();
        let count = places.values().flatten().max().map_or(0, |last| last + 1);
        let columns = std::iter::repeat_with(Column::default).take(count).collect();
        BodyColumns { places, columns, size: 0, frames: 0 }
    }

    /// Bytes of bodies held.
    #[getter]
    fn size(&self) -> usize {
        self.size
    }

    /// Frames held.
    #[getter]
    fn frames(&self) -> usize {
        self.frames
    }

    #[pyo3(signature = (buffer, max_body, cipher, number, conversation, time, start = 0))]
    #[allow(clippy::too_many_arguments)] // those of its twin
    fn take(
        &mut self,
        py: Python<'_>,
        buffer: &Bound<'_, PyBytes>,
        max_body: &Bound<'_, PyAny>,
        cipher: &Bound<'_, PyAny>,
        number: i64,
        conversation: i64,
        time: i64,
        start: usize,
    ) -> PyResult<(usize, usize, usize)> {
        let Some(codec) = cipher.getattr(intern!(py, "_codec")).ok().and_then(|found| found.cast_into::<Codec>().ok())
        else {
            return Ok((0, 0, 0));
        };
        let Codec(cipher) = codec.get();
        let max_body = max_body.extract::<usize>().unwrap_or(0);
        let mut rest = buffer.as_bytes().get(start..).unwrap_or_default();
        let (size, mut count) = (rest.len(), 0usize);
        let needed = loop {
            let Some((header, after)) = rest.split_at_checked(HEADER) else { break needed_for(rest) };
            let length = u32_at(header, 12) as usize;
            if !header.starts_with(MAGIC) || length > max_body || length == 0 {
                break 0;
            }
            let Some(&place) = self.places.get(&u64_at(header, 0)) else { break 0 };
            let Some((payload, after)) = after.split_at_checked(length) else { break HEADER + length };
            let Some(body) = cipher.body_size(payload) else { break 0 };
            let mut scratch = Column::default();
            let column = place.and_then(|at| self.columns.get_mut(at)).unwrap_or(&mut scratch);
            if !column.reserve(body)? {
                break 0;
            }
            let at = column.bodies.len();
            column.bodies.resize(at + body, 0);
            cipher.decrypt_into(payload, &mut column.bodies[at..]);
            if Sha1::digest(&column.bodies[at..])[..] != header[16..36] {
                column.bodies.truncate(at);
                break 0;
            }
            if place.is_some() {
                column.ends.push((at + body) as i32);
                column.serials.push(u32_at(header, 8));
                column.numbers.push(number + count as i64);
                column.times.push(time);
                column.conversations.push(conversation);
                self.size += body;
                self.frames += 1;
            }
            count += 1;
            rest = after;
        };
        Ok((count, size - rest.len(), needed))
    }

    fn taken<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Taken<'py>>> {
        let mut found = Vec::new();
        for (place, column) in self.columns.iter_mut().enumerate().filter(|(_, column)| !column.ends.is_empty()) {
            let offsets: Vec<u8> = std::iter::once(&0).chain(&column.ends).flat_map(|end| end.to_ne_bytes()).collect();
            let numbers: Vec<u8> = column.numbers.iter().flat_map(|each| each.to_ne_bytes()).collect();
            let times: Vec<u8> = column.times.iter().flat_map(|each| each.to_ne_bytes()).collect();
            let conversations: Vec<u8> = column.conversations.iter().flat_map(|each| each.to_ne_bytes()).collect();
            let serials: Vec<u8> = column.serials.iter().flat_map(|each| each.to_ne_bytes()).collect();
            found.push((
                place,
                copied(py, &numbers)?,
                copied(py, &times)?,
                copied(py, &conversations)?,
                copied(py, &serials)?,
                copied(py, &offsets)?,
                copied(py, &column.bodies)?,
            ));
            column.clear();
        }
        (self.size, self.frames) = (0, 0);
        Ok(found)
    }
}

fn copied<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |out| {
        out.copy_from_slice(bytes);
        Ok(())
    })
}
