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

/// Most fields of a message whose presence is noted.
const MAX_NOTED: usize = 64;

/// Check that a message parses and has its required fields, in whatever order they are.
pub fn check(layouts: &[Layout], layout: usize, data: &[u8], depth: u32) -> Option<()> {
    let layout = layouts.get(layout)?;
    let depth = depth.checked_sub(1)?;
    if layout.required_end > MAX_NOTED {
        return None;
    }
    // A bit for each field up to the last required one.
    let mut present = 0u64;
    let mut next = 0;
    let mut reader = Reader { data };
    while !reader.data.is_empty() {
        let tag = reader.tag()?;
        // Most often it is the field after the last one, or that one again.
        let is_it = |at: &usize| layout.fields.get(*at).is_some_and(|field| field.number == tag >> 3);
        let place =
            Some(next).filter(is_it).or_else(|| next.checked_sub(1).filter(is_it)).or_else(|| layout.place(tag >> 3));
        let field = place.and_then(|at| layout.fields.get(at));
        if let (Some(at), Some(field)) = (place, field) {
            next = at + 1;
            if tag == field.tag && at < MAX_NOTED {
                present |= 1 << at;
            }
        }
        if tag & 7 != DELIMITED {
            // With another wire type than the declared one it is an unknown field, which is no error.
            reader.skip(tag & 7)?;
            continue;
        }
        let value = reader.delimited()?;
        let Some(field) = field else { continue };
        match field.kind {
            Kind::String if value.is_ascii() => (),
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
    let all = layout.fields[..layout.required_end].iter().enumerate();
    all.filter(|(_, field)| field.required).all(|(at, _)| present >> at & 1 == 1).then_some(())
}
