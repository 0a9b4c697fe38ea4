"use strict";
// The data of the page: decompressed when it is needed, columns of all frames, and bodies chunk by chunk.
{
  const UNSET = -(1n << 63n);
  const NONE = 0xffffffff;
  const KEPT = 6; // chunks that stay open
  const ARRAYS = { I: Uint32Array, q: BigInt64Array, Q: BigUint64Array, B: Uint8Array, H: Uint16Array };

  async function decompressed(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  const utf8 = new TextDecoder();

  // Frames by row, from 0. `column(name)` is an array; `time` and `latency` are in nanoseconds, null where not known.
  class Table {
    constructor(about, buffer, conversations) {
      Object.assign(this, { rows: about.rows, codes: about.codes, classes: about.classes });
      this.kinds = about.kinds;
      this.errors = about.errors;
      this.encryptions = about.encryptions;
      this.columns = {};
      let at = 0;
      for (const [name, code, length] of about.columns) {
        this.columns[name] = new ARRAYS[code](buffer, at, length);
        at += length * ARRAYS[code].BYTES_PER_ELEMENT;
      }
      this.summaries = JSON.parse(utf8.decode(new Uint8Array(buffer, at)));
      this.conversations = new Map(conversations.map((each) => [each.number, each]));
    }
    column(name) {
      return this.columns[name];
    }
    time(row) {
      const found = this.columns.time[row];
      return found === UNSET ? null : found;
    }
    latency(row) {
      const found = this.columns.latency[row];
      return found === UNSET ? null : found;
    }
    kind(row) {
      return this.kinds[this.columns.kind[row]];
    }
    error(row) {
      return this.columns.error[row] ? this.errors[this.columns.error[row] - 1] : null;
    }
    className(row) {
      return this.columns.class[row] ? this.classes[this.columns.class[row] - 1] : null;
    }
    codesOf(row) {
      const ends = this.columns.code_ends;
      return Array.from(this.columns.code_numbers.subarray(row ? ends[row - 1] : 0, ends[row]), (n) => this.codes[n]);
    }
    ends(row) {
      const found = this.conversations.get(this.columns.conversation[row]) || { client: "", server: "" };
      return this.columns.sender[row] ? [found.server, found.client] : [found.client, found.server];
    }
    // Row of the frame with a number, or -1: frames are listed in the order of their numbers.
    rowOf(number) {
      const numbers = this.columns.number;
      let low = 0;
      let high = this.rows;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (numbers[middle] < number) low = middle + 1;
        else high = middle;
      }
      return low < this.rows && numbers[low] === number ? low : -1;
    }
    requestRow(row) {
      const number = this.columns.request[row];
      return number ? this.rowOf(number) : -1;
    }
    // Row of the response to a request, or -1.
    responseRow(row) {
      if (!this.responses) {
        this.responses = new Map();
        for (let each = 0; each < this.rows; each++) {
          if (this.columns.request[each]) this.responses.set(this.columns.request[each], each);
        }
      }
      return this.responses.get(this.columns.number[row]) ?? -1;
    }
  }

  // JSON, bytes and errors of bodies. `open(row)` must have finished before `of(row)`.
  class Bodies {
    constructor(firsts, rows, read) {
      Object.assign(this, { firsts, rows, read, chunks: new Map() });
    }
    chunkOf(row) {
      let low = 0;
      let high = this.firsts.length;
      while (low + 1 < high) {
        const middle = (low + high) >> 1;
        if (this.firsts[middle] <= row) low = middle;
        else high = middle;
      }
      return low;
    }
    async open(row) {
      const number = this.chunkOf(row);
      let chunk = this.chunks.get(number);
      if (!chunk) {
        chunk = this.#opened(number);
        this.chunks.set(number, chunk);
        if (this.chunks.size > KEPT) this.chunks.delete(this.chunks.keys().next().value);
      }
      const found = await chunk;
      this.chunks.delete(number);
      this.chunks.set(number, found);
      return found;
    }
    async #opened(number) {
      const buffer = await decompressed(this.read(`chunk-${number}`));
      const view = new DataView(buffer);
      const count = view.getUint32(0, true);
      const starts = new Uint32Array(count * 4 + 1);
      const lengths = new Uint32Array(count * 4);
      let at = 4 + count * 16;
      for (let part = 0; part < count * 4; part++) {
        lengths[part] = view.getUint32(4 + part * 4, true);
        starts[part] = at;
        if (lengths[part] !== NONE) at += lengths[part];
      }
      return { first: this.firsts[number], end: this.firsts[number] + count, buffer, starts, lengths };
    }
    // The parts of a frame in an open chunk; null for each that there is not.
    static of(chunk, row) {
      const part = (index) => {
        const at = (row - chunk.first) * 4 + index;
        if (chunk.lengths[at] === NONE) return null;
        return new Uint8Array(chunk.buffer, chunk.starts[at], chunk.lengths[at]);
      };
      const text = (index) => {
        const bytes = part(index);
        return bytes === null ? null : utf8.decode(bytes);
      };
      return { json: text(0), header: part(1), body: part(2), why: text(3) };
    }
  }

  // Read the page's data; `read` returns the base64 text of a name.
  ftwire.load = async (read) => {
    const parsed = async (name) => JSON.parse(utf8.decode(await decompressed(read(name))));
    const overview = await parsed("overview");
    const [vocabulary, table] = await Promise.all([parsed("vocabulary"), decompressed(read("table"))]);
    return {
      about: overview.about,
      session: overview.session,
      vocabulary,
      table: new Table(overview.columns, table, overview.session.conversations),
      bodies: new Bodies(overview.chunks, overview.columns.rows, read),
    };
  };
  ftwire.Bodies = Bodies;
}
