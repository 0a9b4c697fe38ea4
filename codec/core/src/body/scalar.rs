//! Scalars as protobuf's messages give them.

use super::layout::{Field, Kind};
use super::walk::{as_double, as_float, as_int32, as_int64, as_sint32, as_sint64, as_uint32, Reader};

/// A value that is no message.
pub enum Scalar<'a> {
    Real(f64),
    /// A signed number of four bytes, or an enum's: those that have names.
    Number(i32),
    Signed(i64),
    Unsigned(u64),
    Truth(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> Scalar<'a> {
    /// Read one. Text that is no UTF-8 some classes take and some do not; of an enum only known values are its own.
    #[inline]
    pub fn read(field: &Field, reader: &mut Reader<'a>) -> Option<Scalar<'a>> {
        Some(match field.kind {
            Kind::Double => Scalar::Real(as_double(reader.fixed64()?)),
            Kind::Float => Scalar::Real(f64::from(as_float(reader.fixed32()?))),
            Kind::String => Scalar::Text(std::str::from_utf8(reader.delimited()?).ok()?),
            Kind::Bytes => Scalar::Bytes(reader.delimited()?),
            Kind::Bool => Scalar::Truth(reader.varint()? != 0),
            Kind::Enum => Scalar::Number(field.enum_value(as_int32(reader.varint()?))?.number),
            Kind::Int32 => Scalar::Number(as_int32(reader.varint()?)),
            Kind::Sint32 => Scalar::Number(as_sint32(reader.varint()?)),
            Kind::Sfixed32 => Scalar::Number(i32::from_le_bytes(reader.fixed32()?)),
            Kind::Int64 => Scalar::Signed(as_int64(reader.varint()?)),
            Kind::Sint64 => Scalar::Signed(as_sint64(reader.varint()?)),
            Kind::Sfixed64 => Scalar::Signed(i64::from_le_bytes(reader.fixed64()?)),
            Kind::Uint64 => Scalar::Unsigned(reader.varint()?),
            Kind::Fixed64 => Scalar::Unsigned(u64::from_le_bytes(reader.fixed64()?)),
            Kind::Uint32 => Scalar::Unsigned(as_uint32(reader.varint()?).into()),
            Kind::Fixed32 => Scalar::Unsigned(u32::from_le_bytes(reader.fixed32()?).into()),
            Kind::Message => return None,
        })
    }
}
