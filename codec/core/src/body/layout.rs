//! A message class: its fields, by number, as Python describes them.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::write::push_quoted;

pub const VARINT: u32 = 0;
pub const FIXED64: u32 = 1;
pub const DELIMITED: u32 = 2;
pub const FIXED32: u32 = 5;

/// What a field holds, by its number in `FieldDescriptorProto.Type`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    Message,
    Bytes,
    Uint32,
    Enum,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
}

impl Kind {
    fn from_number(number: u32) -> Option<Kind> {
        Some(match number {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            11 => Kind::Message,
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            14 => Kind::Enum,
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            _ => return None,
        })
    }

    pub fn wire_type(self) -> u32 {
        match self {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => FIXED64,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => FIXED32,
            Kind::String | Kind::Message | Kind::Bytes => DELIMITED,
            _ => VARINT,
        }
    }
}

pub struct EnumValue {
    pub number: i32,
    pub quoted: String,
    pub name: Py<PyString>,
}

pub struct Field {
    pub number: u32,
    pub kind: Kind,
    pub repeated: bool,
    pub required: bool,
    /// Number and wire type of a single value.
    pub tag: u32,
    /// The same for packed values; 0, which is no tag, where the field cannot be packed.
    pub packed_tag: u32,
    /// The tag is one byte, as for numbers up to 15; else 0.
    pub short_tag: u8,
    /// `"name": `.
    pub label: String,
    pub name: Py<PyString>,
    /// Index of the message it holds.
    pub message: usize,
    /// The values of its enum, by number.
    pub values: Vec<EnumValue>,
}

impl Field {
    pub fn enum_value(&self, number: i32) -> Option<&EnumValue> {
        let at = self.values.binary_search_by_key(&number, |value| value.number).ok()?;
        self.values.get(at)
    }
}

pub struct Layout {
    pub fields: Vec<Field>,
    /// Index behind the last required field; 0 where there is none.
    pub required_end: usize,
}

/// Labels of fields, by their numbers in `FieldDescriptorProto.Label`.
const REQUIRED: u32 = 2;
const REPEATED: u32 = 3;

/// A field as Python describes it: number, type, label, name, index of its message, values of its enum.
pub type FieldSpec = (u32, u32, u32, String, usize, Vec<(i32, String)>);

impl Layout {
    /// The messages as Python describes them, the body's first.
    pub fn all(py: Python, messages: Vec<Vec<FieldSpec>>) -> PyResult<Vec<Self>> {
        let count = messages.len();
        messages.into_iter().map(|fields| Layout::new(py, fields, count)).collect()
    }

    /// The fields of one message, sorted by number; `messages` is how many messages there are.
    fn new(py: Python, specs: Vec<FieldSpec>, messages: usize) -> PyResult<Self> {
        let mut fields = Vec::with_capacity(specs.len());
        for (number, type_number, label_number, name, message, values) in specs {
            let kind = Kind::from_number(type_number)
                .ok_or_else(|| PyValueError::new_err(format!("there is no type {type_number}")))?;
            if number == 0 || number >= 1 << 29 || (kind == Kind::Message && message >= messages) {
                return Err(PyValueError::new_err(format!("field {name} is numbered or nested wrongly")));
            }
            let repeated = label_number == REPEATED;
            let tag = number << 3 | kind.wire_type();
            let packable = repeated && kind.wire_type() != DELIMITED;
            let mut label = String::new();
            push_quoted(&name, &mut label);
            label.push_str(": ");
            let mut values: Vec<EnumValue> = values
                .into_iter()
                .map(|(number, name)| {
                    let mut quoted = String::new();
                    push_quoted(&name, &mut quoted);
                    EnumValue { number, quoted, name: PyString::intern(py, &name).unbind() }
                })
                .collect();
            values.sort_by_key(|value| value.number);
            fields.push(Field {
                number,
                kind,
                repeated,
                required: label_number == REQUIRED,
                tag,
                packed_tag: if packable { number << 3 | DELIMITED } else { 0 },
                short_tag: u8::try_from(tag).ok().filter(|tag| *tag < 0x80).unwrap_or(0),
                label,
                name: PyString::intern(py, &name).unbind(),
                message,
                values,
            });
        }
        fields.sort_by_key(|field| field.number);
        let required_end = fields.iter().rposition(|field| field.required).map_or(0, |index| index + 1);
        Ok(Layout { fields, required_end })
    }

    /// Index in `fields` of the field with this number.
    pub fn place(&self, number: u32) -> Option<usize> {
        self.fields.binary_search_by_key(&number, |field| field.number).ok()
    }
}
