//! Values that nothing is wanted of: passed over, but made sure of.

use super::layout::{Field, Kind, Layout, DELIMITED};
use super::walk::{Found, Reader, Walk};

/// Pass over a scalar. Text that is no UTF-8 some classes take and some do not.
pub fn pass(field: &Field, reader: &mut Reader) -> Option<()> {
    if field.kind == Kind::String {
        return std::str::from_utf8(reader.delimited()?).ok().map(drop);
    }
    reader.skip(field.kind.wire_type())
}

/// Pass over one value, be it a scalar or a message; give the bytes of the message.
pub fn pass_value<'a>(layouts: &[Layout], field: &Field, reader: &mut Reader<'a>, depth: u32) -> Option<&'a [u8]> {
    if field.kind != Kind::Message {
        return pass(field, reader).map(|()| &[][..]);
    }
    let data = reader.delimited()?;
    check(layouts, field.message, data, depth)?;
    Some(data)
}

/// Pass over the values of a field that is a list; give how many they are, and the bytes of the first message.
pub fn pass_list<'a>(
    layouts: &[Layout],
    found: &Found,
    walk: &mut Walk<'_, 'a>,
    depth: u32,
) -> Option<(usize, &'a [u8])> {
    let Found { field, mut packed, .. } = *found;
    let mut count = 0usize;
    let mut first: &[u8] = &[];
    loop {
        if packed {
            count += pass_block(field, &mut walk.reader)?;
        } else {
            let data = pass_value(layouts, field, &mut walk.reader, depth)?;
            if count == 0 {
                first = data;
            }
            count += 1;
        }
        match walk.again(field) {
            Some(next) => packed = next,
            None => return Some((count, first)),
        }
    }
}

/// Pass over scalars in one block; give how many they are.
pub fn pass_block(field: &Field, reader: &mut Reader) -> Option<usize> {
    let mut block = Reader { data: reader.delimited()? };
    let mut count = 0;
    while !block.data.is_empty() {
        pass(field, &mut block)?;
        count += 1;
    }
    (count > 0).then_some(count)
}

/// Pass over a field of any kind.
pub fn pass_found(layouts: &[Layout], found: &Found, walk: &mut Walk, depth: u32) -> Option<()> {
    if found.field.repeated {
        pass_list(layouts, found, walk, depth).map(drop)
    } else {
        pass_value(layouts, found.field, &mut walk.reader, depth).map(drop)
    }
}

/// Make sure that a message parses, whatever the order of its fields.
pub fn check(layouts: &[Layout], layout: usize, data: &[u8], depth: u32) -> Option<()> {
    let layout = layouts.get(layout)?;
    let depth = depth.checked_sub(1)?;
    let mut reader = Reader { data };
    while !reader.data.is_empty() {
        let tag = reader.tag()?;
        if tag & 7 != DELIMITED {
            // Of another wire type than the field's it is unknown, and as good.
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
