//! Bodies as JSON text.

use super::layout::{Field, Kind, Layout};
use super::walk::{as_double, as_float, as_int32, as_int64, as_sint32, as_sint64, as_uint32};
use super::walk::{Found, Reader, Walk};
use super::write::{not_finite, push_base64, push_float, push_quoted, shortest};

/// Bytes of text after which no further value is begun. Python writes longer text: it raises `MemoryError` where Rust
/// could only end the process.
const MAX_TEXT: usize = 64 << 20;

/// Writes JSON text.
pub struct Texts<'p> {
    pub layouts: &'p [Layout],
    pub out: String,
    /// Spaces a level; `None`: all on one line.
    pub indent: Option<usize>,
    /// Nothing is written of a message that lacks a required field.
    pub complete: bool,
}

impl Texts<'_> {
    /// Between two values, or before the first.
    #[inline]
    fn separate(&mut self, first: bool, level: usize) -> Option<()> {
        if self.out.len() > MAX_TEXT {
            return None;
        }
        if self.indent.is_some() {
            if !first {
                self.out.push(',');
            }
            self.new_line(level);
        } else if !first {
            self.out.push_str(", ");
        }
        Some(())
    }

    fn new_line(&mut self, level: usize) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            for _ in 0..indent * level {
                self.out.push(' ');
            }
        }
    }

    pub fn message(&mut self, index: usize, data: &[u8], depth: u32, level: usize) -> Option<()> {
        let layouts = self.layouts;
        let mut walk = Walk::new(layouts.get(index)?, data, self.complete);
        let depth = depth.checked_sub(1)?;
        let mut empty = true;
        self.out.push('{');
        while let Some(Found { field, mut packed, .. }) = walk.step()? {
            self.separate(empty, level + 1)?;
            empty = false;
            self.out.push_str(&field.label);
            if !field.repeated {
                self.value(field, &mut walk.reader, depth, level + 1)?;
                continue;
            }
            self.out.push('[');
            let mut first = true;
            loop {
                if packed {
                    let mut block = Reader { data: walk.reader.delimited()? };
                    if block.data.is_empty() {
                        // A list without values counts as absent.
                        return None;
                    }
                    while !block.data.is_empty() {
                        self.separate(first, level + 2)?;
                        first = false;
                        self.value(field, &mut block, depth, level + 2)?;
                    }
                } else {
                    self.separate(first, level + 2)?;
                    first = false;
                    self.value(field, &mut walk.reader, depth, level + 2)?;
                }
                match walk.again(field) {
                    Some(next) => packed = next,
                    None => break,
                }
            }
            self.new_line(level + 1);
            self.out.push(']');
        }
        if !empty {
            self.new_line(level);
        }
        self.out.push('}');
        Some(())
    }

    fn long(&mut self, text: &str) {
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
    }

    fn float(&mut self, value: f64) {
        if value.is_finite() {
            push_float(value, &mut self.out);
        } else {
            self.long(not_finite(value));
        }
    }

    #[inline]
    fn value(&mut self, field: &Field, reader: &mut Reader, depth: u32, level: usize) -> Option<()> {
        match field.kind {
            Kind::Double => self.float(as_double(reader.fixed64()?)),
            Kind::String => push_quoted(std::str::from_utf8(reader.delimited()?).ok()?, &mut self.out),
            Kind::Message => self.message(field.message, reader.delimited()?, depth, level)?,
            Kind::Int64 => self.long(itoa::Buffer::new().format(as_int64(reader.varint()?))),
            Kind::Uint64 => self.long(itoa::Buffer::new().format(reader.varint()?)),
            Kind::Sint64 => self.long(itoa::Buffer::new().format(as_sint64(reader.varint()?))),
            Kind::Fixed64 => self.long(itoa::Buffer::new().format(u64::from_le_bytes(reader.fixed64()?))),
            Kind::Sfixed64 => self.long(itoa::Buffer::new().format(i64::from_le_bytes(reader.fixed64()?))),
            Kind::Int32 => self.out.push_str(itoa::Buffer::new().format(as_int32(reader.varint()?))),
            Kind::Uint32 => self.out.push_str(itoa::Buffer::new().format(as_uint32(reader.varint()?))),
            Kind::Sint32 => self.out.push_str(itoa::Buffer::new().format(as_sint32(reader.varint()?))),
            Kind::Fixed32 => self.out.push_str(itoa::Buffer::new().format(u32::from_le_bytes(reader.fixed32()?))),
            Kind::Sfixed32 => self.out.push_str(itoa::Buffer::new().format(i32::from_le_bytes(reader.fixed32()?))),
            Kind::Bool => self.out.push_str(if reader.varint()? != 0 { "true" } else { "false" }),
            Kind::Enum => self.out.push_str(&field.enum_value(as_int32(reader.varint()?))?.quoted),
            Kind::Bytes => {
                self.out.push('"');
                push_base64(reader.delimited()?, &mut self.out);
                self.out.push('"');
            }
            Kind::Float => {
                let value = as_float(reader.fixed32()?);
                self.float(if value.is_finite() { shortest(value) } else { f64::from(value) });
            }
        }
        Some(())
    }
}
