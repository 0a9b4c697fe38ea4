//! The fields of a message in the order of their numbers; any other order ends the walk with `None`. So does a required
//! field that is missing, where messages have to be complete.

use super::layout::{Field, Layout, DELIMITED, FIXED32, FIXED64, VARINT};

/// Bytes of a body, read from the front.
pub struct Reader<'a> {
    pub data: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub fn varint(&mut self) -> Option<u64> {
        let first = *self.data.first()?;
        if first < 0x80 {
            self.data = &self.data[1..];
            return Some(u64::from(first));
        }
        self.long_varint(10)
    }

    /// A tag or a length: protobuf's parser takes no more than five bytes for one, padded or not.
    #[inline]
    fn short_varint(&mut self) -> Option<u32> {
        let first = *self.data.first()?;
        if first < 0x80 {
            self.data = &self.data[1..];
            return Some(u32::from(first));
        }
        u32::try_from(self.long_varint(5)?).ok()
    }

    fn long_varint(&mut self, most: usize) -> Option<u64> {
        let mut value = 0u64;
        for (index, &byte) in self.data.iter().take(most).enumerate() {
            if index == 9 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.data = &self.data[index + 1..];
                return Some(value);
            }
        }
        None
    }

    /// A valid tag: its field number is not 0.
    #[inline]
    pub fn tag(&mut self) -> Option<u32> {
        let tag = self.short_varint()?;
        (tag >> 3 != 0).then_some(tag)
    }

    #[inline]
    pub fn fixed32(&mut self) -> Option<[u8; 4]> {
        let (value, rest) = self.data.split_first_chunk::<4>()?;
        self.data = rest;
        Some(*value)
    }

    #[inline]
    pub fn fixed64(&mut self) -> Option<[u8; 8]> {
        let (value, rest) = self.data.split_first_chunk::<8>()?;
        self.data = rest;
        Some(*value)
    }

    #[inline]
    pub fn delimited(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.short_varint()?).ok()?;
        let (value, rest) = self.data.split_at_checked(length)?;
        self.data = rest;
        Some(value)
    }

    /// Skip a field that the message does not have.
    pub fn skip(&mut self, wire_type: u32) -> Option<()> {
        match wire_type {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            DELIMITED => self.delimited().map(drop),
            FIXED32 => self.fixed32().map(drop),
            _ => None,
        }
    }
}

/// A field whose tag was read; its values, one or a block of them, come next.
pub struct Found<'f> {
    pub field: &'f Field,
    /// Which of the message's fields it is.
    pub index: usize,
    pub packed: bool,
}

/// The fields of one message, in order.
pub struct Walk<'f, 'a> {
    fields: &'f [Field],
    /// Index behind the last field that must be there.
    required_end: usize,
    /// Index of the first field that may still follow.
    next: usize,
    pub reader: Reader<'a>,
}

impl<'f, 'a> Walk<'f, 'a> {
    /// With `complete` all required fields must be there.
    pub fn new(layout: &'f Layout, data: &'a [u8], complete: bool) -> Self {
        let required_end = if complete { layout.required_end } else { 0 };
        Walk { fields: &layout.fields, required_end, next: 0, reader: Reader { data } }
    }

    /// The next field that the message has; `Some(None)` at the end, `None` where the message is not plain.
    #[allow(clippy::option_option)] // three outcomes, the rarest first, so that `?` deals with it
    #[inline]
    pub fn step(&mut self) -> Option<Option<Found<'f>>> {
        let fields = self.fields;
        loop {
            let Some((&first, rest)) = self.reader.data.split_first() else {
                // Nothing follows: no field that must be there was passed over, and none may be left.
                return (self.next >= self.required_end).then_some(None);
            };
            if let Some(field) = fields.get(self.next) {
                // Most often it is the field after the last one.
                if first == field.short_tag && first != 0 {
                    self.reader.data = rest;
                    self.next += 1;
                    return Some(Some(Found { field, index: self.next - 1, packed: false }));
                }
            }
            let tag = self.reader.tag()?;
            let number = tag >> 3;
            let mut at = self.next;
            while let Some(field) = self.fields.get(at).filter(|field| field.number < number) {
                if field.required && at < self.required_end {
                    return None;
                }
                at += 1;
            }
            match self.fields.get(at) {
                Some(field) if field.number == number => {
                    self.next = at + 1;
                    let packed = tag == field.packed_tag;
                    if tag != field.tag && !packed {
                        return None;
                    }
                    return Some(Some(Found { field, index: at, packed }));
                }
                _ => {
                    // An unknown field, or one out of order.
                    if self.fields[..self.next].binary_search_by_key(&number, |field| field.number).is_ok() {
                        return None;
                    }
                    self.reader.skip(tag & 7)?;
                }
            }
        }
    }

    /// Whether the same field follows again: `Some(packed)` once its tag is read.
    #[inline]
    pub fn again(&mut self, field: &Field) -> Option<bool> {
        let first = *self.reader.data.first()?;
        if first < 0x80 {
            if first == field.short_tag && first != 0 {
                self.reader.data = &self.reader.data[1..];
                return Some(false);
            }
            if first == 0 || u32::from(first) != field.packed_tag {
                return None;
            }
            self.reader.data = &self.reader.data[1..];
            return Some(true);
        }
        let before = self.reader.data;
        match self.reader.tag() {
            Some(tag) if tag == field.tag => Some(false),
            Some(tag) if tag == field.packed_tag => Some(true),
            _ => {
                self.reader.data = before;
                None
            }
        }
    }
}

pub fn as_float(value: [u8; 4]) -> f32 {
    f32::from_le_bytes(value)
}

pub fn as_double(value: [u8; 8]) -> f64 {
    f64::from_le_bytes(value)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // protobuf cuts numbers off, too
pub fn as_int32(value: u64) -> i32 {
    value as u32 as i32
}

#[allow(clippy::cast_possible_truncation)] // as above
pub fn as_uint32(value: u64) -> u32 {
    value as u32
}

#[allow(clippy::cast_possible_wrap)]
pub fn as_int64(value: u64) -> i64 {
    value as i64
}

#[allow(clippy::cast_possible_wrap)]
pub fn as_sint32(value: u64) -> i32 {
    let bits = as_uint32(value);
    (bits >> 1) as i32 ^ -((bits & 1) as i32)
}

#[allow(clippy::cast_possible_wrap)]
pub fn as_sint64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
