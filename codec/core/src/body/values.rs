//! Bodies as plain Python values.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};

use super::layout::{Field, Kind, Layout};
use super::walk::{as_double, as_float, as_int32, as_int64, as_sint32, as_sint64, as_uint32};
use super::walk::{Found, Reader, Walk};
use super::write::{not_finite, push_base64, shortest};

/// Makes plain Python values. An error is a Python exception, such as `MemoryError`.
pub struct Values<'p, 'py> {
    pub layouts: &'p [Layout],
    pub py: Python<'py>,
}

type Made<T> = PyResult<Option<T>>;

/// Return `Ok(None)`, so that Python reads the body, where there is nothing.
macro_rules! or_leave {
    ($value:expr) => {
        match $value {
            Some(value) => value,
            None => return Ok(None),
        }
    };
}

impl<'py> Values<'_, 'py> {
    pub fn message(&self, index: usize, data: &[u8], depth: u32) -> Made<Bound<'py, PyDict>> {
        let mut walk = Walk::new(or_leave!(self.layouts.get(index)), data, false);
        let depth = or_leave!(depth.checked_sub(1));
        let made = PyDict::new(self.py);
        while let Some(Found { field, mut packed, .. }) = or_leave!(walk.step()) {
            let name = field.name.bind(self.py);
            if !field.repeated {
                made.set_item(name, or_leave!(self.value(field, &mut walk.reader, depth)?))?;
                continue;
            }
            let list = PyList::empty(self.py);
            loop {
                if packed {
                    let mut block = Reader { data: or_leave!(walk.reader.delimited()) };
                    if block.data.is_empty() {
                        return Ok(None);
                    }
                    while !block.data.is_empty() {
                        list.append(or_leave!(self.value(field, &mut block, depth)?))?;
                    }
                } else {
                    list.append(or_leave!(self.value(field, &mut walk.reader, depth)?))?;
                }
                match walk.again(field) {
                    Some(next) => packed = next,
                    None => break,
                }
            }
            made.set_item(name, list)?;
        }
        Ok(Some(made))
    }

    fn text(&self, text: &str) -> Bound<'py, PyAny> {
        PyString::new(self.py, text).into_any()
    }

    fn float(&self, value: f64) -> Bound<'py, PyAny> {
        if value.is_finite() {
            PyFloat::new(self.py, value).into_any()
        } else {
            self.text(not_finite(value))
        }
    }

    fn integer<T: IntoPyObject<'py, Target = PyInt, Output = Bound<'py, PyInt>, Error = std::convert::Infallible>>(
        &self,
        value: T,
    ) -> Bound<'py, PyAny> {
        match value.into_pyobject(self.py) {
            Ok(made) => made.into_any(),
            Err(never) => match never {},
        }
    }

    fn long<T: itoa::Integer>(&self, value: T) -> Bound<'py, PyAny> {
        self.text(itoa::Buffer::new().format(value))
    }

    fn value(&self, field: &Field, reader: &mut Reader, depth: u32) -> Made<Bound<'py, PyAny>> {
        Ok(Some(match field.kind {
            Kind::Double => self.float(as_double(or_leave!(reader.fixed64()))),
            Kind::String => self.text(or_leave!(std::str::from_utf8(or_leave!(reader.delimited())).ok())),
            Kind::Message => or_leave!(self.message(field.message, or_leave!(reader.delimited()), depth)?).into_any(),
            Kind::Int64 => self.long(as_int64(or_leave!(reader.varint()))),
            Kind::Uint64 => self.long(or_leave!(reader.varint())),
            Kind::Sint64 => self.long(as_sint64(or_leave!(reader.varint()))),
            Kind::Fixed64 => self.long(u64::from_le_bytes(or_leave!(reader.fixed64()))),
            Kind::Sfixed64 => self.long(i64::from_le_bytes(or_leave!(reader.fixed64()))),
            Kind::Int32 => self.integer(as_int32(or_leave!(reader.varint()))),
            Kind::Uint32 => self.integer(as_uint32(or_leave!(reader.varint()))),
            Kind::Sint32 => self.integer(as_sint32(or_leave!(reader.varint()))),
            Kind::Fixed32 => self.integer(u32::from_le_bytes(or_leave!(reader.fixed32()))),
            Kind::Sfixed32 => self.integer(i32::from_le_bytes(or_leave!(reader.fixed32()))),
            Kind::Bool => PyBool::new(self.py, or_leave!(reader.varint()) != 0).to_owned().into_any(),
            Kind::Enum => {
                let value = or_leave!(field.enum_value(as_int32(or_leave!(reader.varint()))));
                value.name.bind(self.py).clone().into_any()
            }
            Kind::Bytes => {
                let mut text = String::new();
                push_base64(or_leave!(reader.delimited()), &mut text);
                self.text(&text)
            }
            Kind::Float => {
                let value = as_float(or_leave!(reader.fixed32()));
                self.float(if value.is_finite() { shortest(value) } else { f64::from(value) })
            }
        }))
    }
}
