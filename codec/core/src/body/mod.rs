//! Bodies of protobuf to JSON text, to plain Python values, to a few values picked and to a few words, without a
//! message between.
//!
//! `Plan`, `Picker` and `Phrase` walk the good path only: the fields of a message in the order of their numbers, each
//! once or, if repeated, all in one place, of the wire type they are declared with, as every serializer of protobuf
//! writes them. Text is UTF-8, enum values are known. Whatever is otherwise ends the walk with `None`: then Python has
//! protobuf parse the body, and judges. What the walk does give is what Python gives of the parsed message, byte for
//! byte.
//!
//! Memory: what is made is proportional to the body, as it is in Python; body, text and nesting have limits, beyond
//! which Python does it.

mod check;
mod layout;
mod phrase;
mod pick;
mod scalar;
mod text;
mod values;
mod walk;
mod write;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use layout::{FieldSpec, Layout};
pub use phrase::Phrase;
pub use pick::Picker;
use text::Texts;
use values::Values;

/// Messages inside messages. protobuf's own parser takes 100; the vendor's schema nests six deep.
const MAX_DEPTH: u32 = 64;

/// Bytes of a body. Larger ones are left to Python, which can say that memory is out.
const MAX_BODY: usize = 16 << 20;

/// Spaces a level that are indented with here.
const MAX_INDENT: usize = 16;

/// How to read the bodies of one message class.
#[pyclass(frozen)]
pub struct Plan {
    layouts: Vec<Layout>,
}

#[pymethods]
impl Plan {
    /// The first of `messages` is the body's; each is a list of its fields.
    #[new]
    fn new(py: Python, messages: Vec<Vec<FieldSpec>>) -> PyResult<Self> {
        Ok(Plan { layouts: Layout::all(py, messages)? })
    }

    /// JSON text, on one line or with `indent` spaces a level; `None` where the body is not plain.
    #[pyo3(signature = (body, indent=None))]
    fn text<'py>(&self, py: Python<'py>, body: &[u8], indent: Option<i64>) -> Option<Bound<'py, PyString>> {
        let indent = match indent {
            None => None,
            Some(spaces) => Some(usize::try_from(spaces).ok().filter(|spaces| *spaces <= MAX_INDENT)?),
        };
        if body.len() > MAX_BODY {
            return None;
        }
        let out = String::with_capacity(4 * body.len().min(1 << 20));
        let mut texts = Texts { layouts: &self.layouts, out, indent };
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
