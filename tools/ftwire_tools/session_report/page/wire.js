"use strict";
// Where the fields of a protobuf body stand in its bytes. Values are not read here: those come as JSON.
{
  const MOST = 200_000; // fields
  const PACKED = { double: 8, fixed64: 8, sfixed64: 8, float: 4, fixed32: 4, sfixed32: 4 };

  // Return a map from paths such as "s2c.rtList.0.price", with names as in JSON, to [start, end]. What cannot be read
  // is left out; fields that the class lacks have their number as name.
  ftwire.spans = (bytes, className, classes) => {
    const found = new Map();
    const byNumber = new Map();
    const fieldsOf = (name) => {
      if (!byNumber.has(name)) {
        byNumber.set(name, new Map([...(classes.get(name)?.values() ?? [])].map((field) => [field.number, field])));
      }
      return byNumber.get(name);
    };
    // A varint's number, and where it ends; numbers above 2 ** 53 are lengths of nothing.
    const varint = (at, end) => {
      let value = 0;
      for (let shift = 0; shift < 70 && at < end; shift += 7) {
        const byte = bytes[at++];
        value += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) return [value, at];
      }
      return [NaN, end];
    };
    const message = (start, end, name, prefix) => {
      const fields = name === null ? new Map() : fieldsOf(name);
      const counts = new Map();
      let at = start;
      while (at < end && found.size < MOST) {
        const begin = at;
        const [tag, from] = varint(at, end);
        const wire = tag % 8;
        const field = fields.get(Math.floor(tag / 8)) ?? null;
        const key = field ? field.json : String(Math.floor(tag / 8));
        let path = prefix + key;
        let stop;
        let inner = from;
        if (wire === 0) stop = varint(from, end)[1];
        else if (wire === 1) stop = from + 8;
        else if (wire === 5) stop = from + 4;
        else if (wire === 2) {
          const [length, after] = varint(from, end);
          inner = after;
          stop = after + length;
        }
        if (!(stop <= end)) return;
        const isPacked =
          field?.repeated && wire === 2 && !field.message && field.type !== "string" && field.type !== "bytes";
        if (isPacked) {
          found.set(path, [begin, stop]);
          let count = counts.get(key) ?? 0;
          for (let item = inner; item < stop; count++) {
            const next = PACKED[field.type] ? item + PACKED[field.type] : varint(item, stop)[1];
            found.set(`${path}.${count}`, [item, Math.min(next, stop)]);
            item = next;
          }
          counts.set(key, count);
        } else {
          if (field?.repeated) {
            const count = counts.get(key) ?? 0;
            counts.set(key, count + 1);
            const list = found.get(path);
            found.set(path, list ? [list[0], stop] : [begin, stop]);
            path += `.${count}`;
          }
          found.set(path, [begin, stop]);
          if (field?.message && wire === 2) message(inner, stop, field.message, `${path}.`);
        }
        at = stop;
      }
    };
    message(0, bytes.length, className, "");
    return found;
  };
}
