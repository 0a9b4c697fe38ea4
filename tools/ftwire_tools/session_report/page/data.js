"use strict";
// The data of the page: decompressed when it is needed, columns of all frames, and bodies chunk by chunk.
{
  const UNSET = -(1n << 63n);
  const NONE = 0xffffffff;
  const KEPT = 6; // chunks that stay open
  const ARRAYS = { I: Uint32Array, q: BigInt64Array, Q: BigUint64Array, B: Uint8Array, H: Uint16Array };

  // The data of a name, which stands in the page: compressed, in base64.
  ftwire.stored = async (name) => {
    const base64 = document.getElementById(`data-${name}`).textContent;
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  };

  const utf8 = new TextDecoder();

  // A column with values behind it, in room that doubles: most times, only what is new is copied.
  function joined(column, added) {
    if (!column) return added;
    const [length, room] = [column.length, column.buffer];
    const Kind = column.constructor;
    const size = length + added.length;
    const whole =
      column.byteOffset === 0 && room.grows && room.byteLength >= size * Kind.BYTES_PER_ELEMENT
        ? new Kind(room, 0, size)
        : new Kind(Math.max(2 * size, 1024)).subarray(0, size);
    if (whole.buffer !== room) {
      whole.buffer.grows = true;
      whole.set(column);
    }
    whole.set(added, length);
    return whole;
  }

  // Frames by row, from 0. `column(name)` is an array; `time` and `latency` are in nanoseconds, null where not known.
  class Table {
    // `at` is where the columns begin in `buffer`.
    constructor(about, buffer, conversations, at = 0) {
      Object.assign(this, { rows: 0, columns: {}, summaries: [], conversations: new Map() });
      this.append(about, buffer, conversations, at);
    }
    // Add rows behind those that there are; return the requests among these that have got their response.
    append(about, buffer, conversations, at = 0) {
      const { codes, classes, kinds, errors, encryptions } = about;
      Object.assign(this, { codes, classes, kinds, errors, encryptions });
      for (const [name, code, length] of about.columns) {
        this.columns[name] = joined(this.columns[name], new ARRAYS[code](buffer, at, length));
        at += length * ARRAYS[code].BYTES_PER_ELEMENT;
      }
      for (const summary of JSON.parse(utf8.decode(new Uint8Array(buffer, at)))) this.summaries.push(summary);
      for (const each of conversations) this.conversations.set(each.number, each);
      const first = this.rows;
      this.rows += about.rows;
      const answered = [];
      for (let row = first; row < this.rows; row++) {
        if (!this.columns.request[row]) continue;
        this.responses?.set(this.columns.request[row], row);
        const request = this.requestRow(row);
        if (request < 0 || request >= first || !this.columns.unanswered[request]) continue;
        this.columns.unanswered[request] = 0;
        answered.push(request);
      }
      return answered;
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

  // JSON, bytes and errors of bodies; `read` returns the data of a name. `open(row)` must have finished before `of(row)`.
  class Bodies {
    constructor(firsts, read) {
      Object.assign(this, { firsts, read, chunks: new Map() });
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
      // A live page has a last chunk that was not complete when it was opened.
      if (!chunk || row >= (await chunk).end) {
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
      const buffer = await this.read(`chunk-${number}`);
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

  // Read the data that stands in the page.
  ftwire.load = async () => {
    const parsed = async (name) => JSON.parse(utf8.decode(await ftwire.stored(name)));
    const overview = await parsed("overview");
    const [vocabulary, table] = await Promise.all([parsed("vocabulary"), ftwire.stored("table")]);
    return {
      about: overview.about,
      session: overview.session,
      vocabulary,
      table: new Table(overview.columns, table, overview.session.conversations),
      bodies: new Bodies(overview.chunks, ftwire.stored),
    };
  };
  ftwire.Bodies = Bodies;
  ftwire.Table = Table;
}
