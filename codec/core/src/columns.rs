//! Bodies of frames in columns: the twin of `ftwire.body_columns.PythonBodyColumns`, which says what its methods do.

use std::collections::{BTreeMap, VecDeque};

use pyo3::exceptions::{PyMemoryError, PyValueError};
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
    /// The columns of frames that have no number yet.
    unnumbered: VecDeque<Option<usize>>,
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
        BodyColumns { places, columns, unnumbered: VecDeque::new(), size: 0, frames: 0 }
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

    #[pyo3(signature = (buffer, max_body, cipher, start = 0))]
    fn take(
        &mut self,
        py: Python<'_>,
        buffer: &Bound<'_, PyBytes>,
        max_body: &Bound<'_, PyAny>,
        cipher: &Bound<'_, PyAny>,
        start: usize,
    ) -> PyResult<(usize, usize, usize)> {
        let Some(codec) = cipher.getattr(intern!(py, "_codec")).ok().and_then(|found| found.cast_into::<Codec>().ok())
        else {
            return Ok((0, 0, 0));
        };
        let Codec(cipher) = codec.get();
        let max_body = max_body.extract::<usize>().unwrap_or(0);
        let mut rest = buffer.as_bytes().get(start..).unwrap_or_default();
        let (size, mut count) = (rest.len(), 0);
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
                self.size += body;
                self.frames += 1;
            }
            self.unnumbered.push_back(place);
            count += 1;
            rest = after;
        };
        Ok((count, size - rest.len(), needed))
    }

    fn number(&mut self, count: usize, number: i64, conversation: i64, time: i64) -> PyResult<()> {
        if count > self.unnumbered.len() {
            return Err(PyValueError::new_err("so many frames were not taken"));
        }
        for (number, place) in (number..).zip(self.unnumbered.drain(..count)) {
            if let Some(column) = place.and_then(|at| self.columns.get_mut(at)) {
                column.numbers.push(number);
                column.times.push(time);
                column.conversations.push(conversation);
            }
        }
        Ok(())
    }

    fn taken<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Taken<'py>>> {
        let mut found = Vec::new();
        for (place, column) in self.columns.iter_mut().enumerate() {
            let count = column.numbers.len();
            let Some(end) = count.checked_sub(1).map(|last| column.ends[last] as usize) else { continue };
            let offsets: Vec<u8> =
                std::iter::once(0).chain(column.ends.drain(..count)).flat_map(i32::to_ne_bytes).collect();
            let bodies = copied(py, &column.bodies[..end])?;
            column.bodies.drain(..end);
            for later in &mut column.ends {
                *later -= end as i32;
            }
            let numbers: Vec<u8> = column.numbers.drain(..).flat_map(i64::to_ne_bytes).collect();
            let times: Vec<u8> = column.times.drain(..).flat_map(i64::to_ne_bytes).collect();
            let conversations: Vec<u8> = column.conversations.drain(..).flat_map(i64::to_ne_bytes).collect();
            let serials: Vec<u8> = column.serials.drain(..count).flat_map(u32::to_ne_bytes).collect();
            self.size -= end;
            self.frames -= count;
            found.push((
                place,
                copied(py, &numbers)?,
                copied(py, &times)?,
                copied(py, &conversations)?,
                copied(py, &serials)?,
                copied(py, &offsets)?,
                bodies,
            ));
        }
        Ok(found)
    }
}

fn copied<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |out| {
        out.copy_from_slice(bytes);
        Ok(())
    })
}
