//! Values that are not in the result: checked and skipped.

use super::layout::{Field, Kind, Layout, DELIMITED};
use super::walk::Reader;

/// Skip a scalar. `None` for text that is not UTF-8: protobuf decides, since some classes refuse it and some do not.
pub fn pass(field: &Field, reader: &mut Reader) -> Option<()> {
    if field.kind == Kind::String {
        return std::str::from_utf8(reader.delimited()?).ok().map(drop);
    }
    reader.skip(field.kind.wire_type())
}

/// Skip packed scalars; return how many there are.
pub fn pass_block(field: &Field, reader: &mut Reader) -> Option<usize> {
    let mut block = Reader { data: reader.delimited()? };
    let mut count = 0;
    while !block.data.is_empty() {
        pass(field, &mut block)?;
        count += 1;
    }
    (count > 0).then_some(count)
}

/// Check that a message parses, in whatever order its fields are.
pub fn check(layouts: &[Layout], layout: usize, data: &[u8], depth: u32) -> Option<()> {
    let layout = layouts.get(layout)?;
    let depth = depth.checked_sub(1)?;
    let mut reader = Reader { data };
    while !reader.data.is_empty() {
        let tag = reader.tag()?;
        if tag & 7 != DELIMITED {
            // With another wire type than the declared one it is an unknown field, which is no error.
            reader.skip(tag & 7)?;
            continue;
        }
        let value = reader.delimited()?;
        let Some(field) = layout.field(tag >> 3) else { continue };
        match field.kind {
            Kind::String => drop(std::str::from_utf8(value).ok()?),
            Kind::Message => check(layouts, field.message, value, depth)?,
            Kind::Bytes => (),
            _ if !field.repeated => (),
            kind => {
                let mut block = Reader { data: value };
                while !block.data.is_empty() {
                    block.skip(kind.wire_type())?;
                }
            }
        }
    }
    Some(())
}
