//! The values at a few field paths of a body; the rest is checked and skipped. Bodies lack no required field.
//!
//! The twin of `ftwire.projection`, which defines what a path is and what is found at its end.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyTuple};

use super::check::{check, pass, pass_block};
use super::layout::{Field, FieldSpec, Kind, Layout};
use super::walk::{as_double, as_float, as_int32, as_int64, as_sint32, as_sint64, as_uint32};
use super::walk::{Found, Reader, Walk};
use super::{MAX_BODY, MAX_DEPTH};

/// What to read of one field.
#[derive(Clone, Default)]
struct Want {
    /// Index of the value in the result: `True` for a message, the length of a list.
    slot: Option<usize>,
    /// Index of what to read of the message in the field, or of the first in the list.
    inner: Option<usize>,
    /// What to read of every item of a list.
    items: Option<Items>,
}

/// What to read of every item of a list: one Python list for each path.
#[derive(Clone, Default)]
struct Items {
    /// Index of what to read of an item that is a message.
    wants: Option<usize>,
    /// Indexes of the lists in the result; one where the items are scalars.
    slots: Vec<usize>,
}

/// What to read of one message.
struct Wants {
    layout: usize,
    /// Of each field of the layout.
    fields: Vec<Want>,
}

/// Finds the values at some paths in the bodies of one message class.
#[pyclass(frozen)]
pub struct Projection {
    layouts: Vec<Layout>,
    wants: Vec<Wants>,
    slots: usize,
}

/// A step of a path as Python passes it: the field's number, and whether every item of its list is meant.
type Step = (u32, bool);

type Values<'py> = Vec<Option<Bound<'py, PyAny>>>;

impl Projection {
    fn want(&mut self, layout: usize) -> PyResult<usize> {
        let fields = self.layouts.get(layout).ok_or_else(|| PyValueError::new_err("there is no such message"))?;
        self.wants.push(Wants { layout, fields: vec![Want::default(); fields.fields.len()] });
        Ok(self.wants.len() - 1)
    }

    /// Take one path, whose value goes to `slot`.
    fn add(&mut self, mut slot: usize, path: &[Step]) -> PyResult<()> {
        let wrong = || PyValueError::new_err(format!("there is nothing at {path:?}, or it is wanted twice"));
        let mut at = 0;
        for (index, &(number, every)) in path.iter().enumerate() {
            let layout = self.wants[at].layout;
            let place = self.layouts[layout].place(number).ok_or_else(wrong)?;
            let (kind, repeated, message) = {
                let field = &self.layouts[layout].fields[place];
                (field.kind, field.repeated, field.message)
            };
            let is_last = index + 1 == path.len();
            if every && !repeated || kind != Kind::Message && !is_last || kind == Kind::Message && every && is_last {
                return Err(wrong());
            }
            let inner = if is_last {
                None
            } else {
                let want = &self.wants[at].fields[place];
                let known = if every { want.items.as_ref().and_then(|items| items.wants) } else { want.inner };
                Some(known.map_or_else(|| self.want(message), Ok)?)
            };
            let want = &mut self.wants[at].fields[place];
            match (every, inner) {
                (true, _) => {
                    let items = want.items.get_or_insert_with(Items::default);
                    items.wants = inner;
                    items.slots.push(slot);
                    slot = items.slots.len() - 1;
                    if is_last && slot > 0 {
                        return Err(wrong());
                    }
                }
                (false, None) if want.slot.replace(slot).is_some() => return Err(wrong()),
                (false, None) => (),
                (false, Some(_)) => want.inner = inner,
            }
            at = inner.unwrap_or(at);
        }
        if path.is_empty() {
            return Err(wrong());
        }
        Ok(())
    }

    /// Read the values of a message.
    fn message<'py>(
        &self,
        py: Python<'py>,
        wants: usize,
        data: &[u8],
        depth: u32,
        values: &mut [Option<Bound<'py, PyAny>>],
    ) -> Option<()> {
        let wants = self.wants.get(wants)?;
        let mut walk = Walk::new(self.layouts.get(wants.layout)?, data, true);
        let depth = depth.checked_sub(1)?;
        while let Some(found) = walk.step()? {
            let (field, want) = (found.field, wants.fields.get(found.index)?);
            if field.repeated {
                self.list(py, want, &found, &mut walk, depth, values)?;
                continue;
            }
            let value = if field.kind == Kind::Message {
                self.inner(py, field, want.inner, &mut walk.reader, depth, values)?;
                want.slot.map(|_| PyBool::new(py, true).to_owned().into_any())
            } else if want.slot.is_some() {
                Some(scalar(py, field, &mut walk.reader)?)
            } else {
                pass(field, &mut walk.reader)?;
                None
            };
            if let Some(slot) = want.slot {
                *values.get_mut(slot)? = value;
            }
        }
        Some(())
    }

    /// Read the values of a list: its length, values in its first item, values in every item.
    fn list<'py>(
        &self,
        py: Python<'py>,
        want: &Want,
        found: &Found,
        walk: &mut Walk,
        depth: u32,
        values: &mut [Option<Bound<'py, PyAny>>],
    ) -> Option<()> {
        let Found { field, mut packed, .. } = *found;
        let lists = want.items.as_ref().map_or(0, |items| items.slots.len());
        let mut columns: Vec<Values> = vec![Vec::new(); lists];
        let mut count = 0usize;
        loop {
            if packed && lists > 0 {
                let mut block = Reader { data: walk.reader.delimited()? };
                if block.data.is_empty() {
                    // A list without values counts as absent.
                    return None;
                }
                while !block.data.is_empty() {
                    columns.first_mut()?.push(Some(scalar(py, field, &mut block)?));
                    count += 1;
                }
            } else if packed {
                count += pass_block(field, &mut walk.reader)?;
            } else {
                match &want.items {
                    None => {
                        self.inner(py, field, want.inner.filter(|_| count == 0), &mut walk.reader, depth, values)?
                    }
                    Some(Items { wants: None, .. }) => {
                        columns.first_mut()?.push(Some(scalar(py, field, &mut walk.reader)?));
                    }
                    Some(Items { wants: Some(wants), .. }) => {
                        let data = walk.reader.delimited()?;
                        if let Some(first) = want.inner.filter(|_| count == 0) {
                            self.message(py, first, data, depth, values)?;
                        }
                        let mut row = vec![None; lists];
                        self.message(py, *wants, data, depth, &mut row)?;
                        for (column, value) in columns.iter_mut().zip(row) {
                            column.push(value);
                        }
                    }
                }
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
        for (slot, column) in want.items.iter().flat_map(|items| &items.slots).zip(columns) {
            *values.get_mut(*slot)? = Some(PyList::new(py, column).ok()?.into_any());
        }
        Some(())
    }

    /// Read the values of a message in a field, if any; otherwise only check it.
    fn inner<'py>(
        &self,
        py: Python<'py>,
        field: &Field,
        wants: Option<usize>,
        reader: &mut Reader,
        depth: u32,
        values: &mut [Option<Bound<'py, PyAny>>],
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

fn number<'py, T>(py: Python<'py>, value: T) -> Option<Bound<'py, PyAny>>
where
    T: IntoPyObject<'py, Target = PyInt, Output = Bound<'py, PyInt>>,
{
    value.into_pyobject(py).ok().map(Bound::into_any)
}

/// A scalar as protobuf's messages return it. `None` for text that is not UTF-8, and for an unknown value of an enum,
/// which is not in the message.
fn scalar<'py>(py: Python<'py>, field: &Field, reader: &mut Reader) -> Option<Bound<'py, PyAny>> {
    match field.kind {
        Kind::Double => Some(PyFloat::new(py, as_double(reader.fixed64()?)).into_any()),
        Kind::Float => Some(PyFloat::new(py, f64::from(as_float(reader.fixed32()?))).into_any()),
        Kind::String => Some(PyString::new(py, std::str::from_utf8(reader.delimited()?).ok()?).into_any()),
        Kind::Bytes => Some(PyBytes::new(py, reader.delimited()?).into_any()),
        Kind::Bool => Some(PyBool::new(py, reader.varint()? != 0).to_owned().into_any()),
        Kind::Enum => number(py, field.enum_value(as_int32(reader.varint()?))?.number),
        Kind::Int32 => number(py, as_int32(reader.varint()?)),
        Kind::Sint32 => number(py, as_sint32(reader.varint()?)),
        Kind::Sfixed32 => number(py, i32::from_le_bytes(reader.fixed32()?)),
        Kind::Int64 => number(py, as_int64(reader.varint()?)),
        Kind::Sint64 => number(py, as_sint64(reader.varint()?)),
        Kind::Sfixed64 => number(py, i64::from_le_bytes(reader.fixed64()?)),
        Kind::Uint64 => number(py, reader.varint()?),
        Kind::Fixed64 => number(py, u64::from_le_bytes(reader.fixed64()?)),
        Kind::Uint32 => number(py, as_uint32(reader.varint()?)),
        Kind::Fixed32 => number(py, u32::from_le_bytes(reader.fixed32()?)),
        Kind::Message => None,
    }
}

#[pymethods]
impl Projection {
    /// `messages` as `JsonWriter` takes them; `paths` lead from the body to the values.
    #[new]
    #[allow(clippy::needless_pass_by_value)] // Python's lists come as values
    fn new(py: Python, messages: Vec<Vec<FieldSpec>>, paths: Vec<Vec<Step>>) -> PyResult<Self> {
        let mut projection = Projection { layouts: Layout::all(py, messages)?, wants: Vec::new(), slots: paths.len() };
        projection.want(0)?;
        for (slot, path) in paths.iter().enumerate() {
            projection.add(slot, path)?;
        }
        Ok(projection)
    }

    /// The value at each path, `None` where nothing is set; `None` in place of all where the body is not plain.
    fn decode<'py>(&self, py: Python<'py>, body: &[u8]) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let mut values: Values = vec![None; self.slots];
        if body.len() > MAX_BODY || self.message(py, 0, body, MAX_DEPTH, &mut values).is_none() {
            return Ok(None);
        }
        PyTuple::new(py, values).map(Some)
    }
}
