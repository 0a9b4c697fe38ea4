//! Protobuf bodies to JSON text, to plain Python values, and to the values at a few paths, without making a message.
//!
//! `JsonWriter` and `Projection` read plain bodies only: the fields of a message in the order of their numbers, each
//! once or, if repeated, all in one place, of the wire type they are declared with, as every serializer of protobuf
//! writes them. Text is UTF-8, enum values are known. Required fields are there, where complete bodies are asked for.
//! Anything else ends the walk with `None`, and the Python twin reads the body. What the walk returns is exactly what
//! the twin returns.
//!
//! Memory: what is made is proportional to the body, as it is in Python. Body, text and nesting have limits, above
//! which the twin reads the body.

mod check;
mod layout;
mod projection;
mod text;
mod values;
mod walk;
mod write;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use layout::{FieldSpec, Layout};
pub use projection::Projection;
use text::Texts;
use values::Values;

/// Most levels of messages inside messages. protobuf's own parser takes 100; the vendor's schema nests six deep.
const MAX_DEPTH: u32 = 64;

/// Most bytes of a body. Python reads larger ones: it raises `MemoryError` where Rust could only end the process.
const MAX_BODY: usize = 16 << 20;

/// Most spaces of indentation a level.
const MAX_INDENT: usize = 16;

/// Writes the bodies of one message class as JSON.
#[pyclass(frozen)]
pub struct JsonWriter {
    layouts: Vec<Layout>,
}

#[pymethods]
impl JsonWriter {
    /// The first of `messages` is the body's; each is a list of its fields.
    #[new]
    fn new(py: Python, messages: Vec<Vec<FieldSpec>>) -> PyResult<Self> {
        Ok(JsonWriter { layouts: Layout::all(py, messages)? })
    }

    /// JSON text, on one line or with `indent` spaces a level; `None` where the body is not plain, or with `complete`
    /// lacks a required field.
    #[pyo3(signature = (body, indent=None, *, complete=false))]
    fn text<'py>(
        &self,
        py: Python<'py>,
        body: &[u8],
        indent: Option<i64>,
        complete: bool,
    ) -> Option<Bound<'py, PyString>> {
        let indent = match indent {
            None => None,
            Some(spaces) => Some(usize::try_from(spaces).ok().filter(|spaces| *spaces <= MAX_INDENT)?),
        };
        if body.len() > MAX_BODY {
            return None;
        }
        let out = String::with_capacity(4 * body.len().min(1 << 20));
        let mut texts = Texts { layouts: &self.layouts, out, indent, complete };
        texts.message(0, body, MAX_DEPTH, 0)?;
        Some(PyString::new(py, &texts.out))
    }

    /// A dict of plain values; `None` where the body is not plain.
    fn values<'py>(&self, py: Python<'py>, body: &[u8]) -> PyResult<Option<Bound<'py, PyDict>>> {
        if body.len() > MAX_BODY {
            return Ok(None);
        }
        Values { layouts: &self.layouts, py }.message(0, body, MAX_DEPTH)
    }
}

/// Checks the bodies of one message class, many at a time.
#[pyclass(frozen)]
pub struct BodyCheck {
    layouts: Vec<Layout>,
}

#[pymethods]
impl BodyCheck {
    /// The first of `messages` is the body's; each is a list of its fields.
    #[new]
    fn new(py: Python, messages: Vec<Vec<FieldSpec>>) -> PyResult<Self> {
        Ok(BodyCheck { layouts: Layout::all(py, messages)? })
    }

    /// Indexes of the bodies that are not certain to parse: protobuf decides on these. `offsets` are where each body
    /// begins, and where the last ends, 32 bits each in the machine's order.
    fn uncertain(&self, bodies: &[u8], offsets: &[u8]) -> Vec<usize> {
        let place = |bytes: &[u8]| bytes.try_into().map_or(usize::MAX, |four| i32::from_ne_bytes(four) as usize);
        let starts = offsets.chunks_exact(4);
        let ends = offsets.get(4..).unwrap_or_default().chunks_exact(4);
        let bodies = starts.zip(ends).map(|(start, end)| bodies.get(place(start)..place(end)));
        let is_certain = |body: Option<&[u8]>| {
            body.is_some_and(|body| body.len() <= MAX_BODY && check::check(&self.layouts, 0, body, MAX_DEPTH).is_some())
        };
        bodies.enumerate().filter(|(_, body)| !is_certain(*body)).map(|(at, _)| at).collect()
    }
}
