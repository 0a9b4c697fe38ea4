//! A few values of bodies, by where they stand; the rest is only made sure to be in order.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyString, PyTuple};

use super::check::{check, pass, pass_block};
use super::layout::{Field, FieldSpec, Kind, Layout};
use super::scalar::Scalar;
use super::walk::{Found, Reader, Walk};
use super::{MAX_BODY, MAX_DEPTH};

/// What is wanted of a field.
#[derive(Clone, Default)]
struct Want {
    /// Where its value goes: of a message that it is there, of a list how long it is.
    slot: Option<usize>,
    /// What is wanted of the message it holds, of a list's first item.
    inner: Option<usize>,
}

/// What is wanted of a message.
struct Wants {
    layout: usize,
    /// Of each of the layout's fields.
    fields: Vec<Want>,
}

/// Picks values out of the bodies of one message class.
#[pyclass(frozen)]
pub struct Picker {
    layouts: Vec<Layout>,
    wants: Vec<Wants>,
    slots: usize,
}

type Values<'py> = Vec<Option<Bound<'py, PyAny>>>;

impl Picker {
    fn want(&mut self, layout: usize) -> PyResult<usize> {
        let fields = self.layouts.get(layout).ok_or_else(|| PyValueError::new_err("there is no such message"))?;
        self.wants.push(Wants { layout, fields: vec![Want::default(); fields.fields.len()] });
        Ok(self.wants.len() - 1)
    }

    fn add(&mut self, slot: usize, path: &[u32]) -> PyResult<()> {
        let wrong = || PyValueError::new_err(format!("there is nothing at {path:?}, or it is wanted twice"));
        let (last, way) = path.split_last().ok_or_else(wrong)?;
        let mut at = 0;
        for number in way {
            let index = self.field(at, *number).ok_or_else(wrong)?;
            let layout = self.wants[at].layout;
            let field = &self.layouts[layout].fields[index];
            if field.kind != Kind::Message {
                return Err(wrong());
            }
            let (outer, message) = (at, field.message);
            at = match self.wants[outer].fields[index].inner {
                Some(inner) => inner,
                None => self.want(message)?,
            };
            self.wants[outer].fields[index].inner = Some(at);
        }
        let index = self.field(at, *last).ok_or_else(wrong)?;
        match self.wants[at].fields[index].slot.replace(slot) {
            None => Ok(()),
            Some(_) => Err(wrong()),
        }
    }

    fn field(&self, wants: usize, number: u32) -> Option<usize> {
        self.layouts[self.wants[wants].layout].place(number)
    }

    /// Pick what is wanted of a message.
    fn message<'py>(
        &self,
        py: Python<'py>,
        wants: usize,
        data: &[u8],
        depth: u32,
        values: &mut Values<'py>,
    ) -> Option<()> {
        let wants = self.wants.get(wants)?;
        let mut walk = Walk::new(self.layouts.get(wants.layout)?, data);
        let depth = depth.checked_sub(1)?;
        while let Some(Found { field, index, mut packed }) = walk.step()? {
            let want = wants.fields.get(index)?;
            if !field.repeated {
                let value = if field.kind == Kind::Message {
                    self.inner(py, field, want.inner, &mut walk.reader, depth, values)?;
                    want.slot.map(|_| PyBool::new(py, true).to_owned().into_any())
                } else if want.slot.is_some() {
                    Some(value(py, field, &mut walk.reader)?)
                } else {
                    pass(field, &mut walk.reader)?;
                    None
                };
                if let Some(slot) = want.slot {
                    *values.get_mut(slot)? = value;
                }
                continue;
            }
            let mut count = 0usize;
            loop {
                if packed {
                    count += pass_block(field, &mut walk.reader)?;
                } else {
                    let inner = want.inner.filter(|_| count == 0);
                    self.inner(py, field, inner, &mut walk.reader, depth, values)?;
                    count += 1;
                }
                match walk.again(field) {
                    Some(next) => packed = next,
                    None => break,
                }
            }
            if let Some(slot) = want.slot {
                *values.get_mut(slot)? = Some(count.into_pyobject(py).ok()?.into_any());
            }
        }
        Some(())
    }

    /// Pick what is wanted of one value that is a message, if anything; else make sure of it.
    fn inner<'py>(
        &self,
        py: Python<'py>,
        field: &Field,
        wants: Option<usize>,
        reader: &mut Reader,
        depth: u32,
        values: &mut Values<'py>,
    ) -> Option<()> {
        if field.kind != Kind::Message {
            return pass(field, reader);
        }
        let data = reader.delimited()?;
        match wants {
            Some(wants) => self.message(py, wants, data, depth, values),
            None => check(&self.layouts, field.message, data, depth),
        }
    }
}

/// A scalar as protobuf's messages give it.
fn value<'py>(py: Python<'py>, field: &Field, reader: &mut Reader) -> Option<Bound<'py, PyAny>> {
    Some(match Scalar::read(field, reader)? {
        Scalar::Real(value) => PyFloat::new(py, value).into_any(),
        Scalar::Number(value) => value.into_pyobject(py).ok()?.into_any(),
        Scalar::Signed(value) => value.into_pyobject(py).ok()?.into_any(),
        Scalar::Unsigned(value) => value.into_pyobject(py).ok()?.into_any(),
        Scalar::Truth(value) => PyBool::new(py, value).to_owned().into_any(),
        Scalar::Text(text) => PyString::new(py, text).into_any(),
        Scalar::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
    })
}

#[pymethods]
impl Picker {
    /// `messages` as `Plan` takes them; `paths` are field numbers from the body to what is wanted.
    #[new]
    #[allow(clippy::needless_pass_by_value)] // Python's lists come as values
    fn new(py: Python, messages: Vec<Vec<FieldSpec>>, paths: Vec<Vec<u32>>) -> PyResult<Self> {
        let mut picker = Picker { layouts: Layout::all(py, messages)?, wants: Vec::new(), slots: paths.len() };
        picker.want(0)?;
        for (slot, path) in paths.iter().enumerate() {
            picker.add(slot, path)?;
        }
        Ok(picker)
    }

    /// What stands at each path; `None` for what is not there, and instead of all where the body is not plain.
    fn pick<'py>(&self, py: Python<'py>, body: &[u8]) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut values: Values = vec![None; self.slots];
        if body.len() > MAX_BODY || self.message(py, 0, body, MAX_DEPTH, &mut values).is_none() {
            return Ok(None);
        }
        PyTuple::new(py, values).map(Some)
    }
}
