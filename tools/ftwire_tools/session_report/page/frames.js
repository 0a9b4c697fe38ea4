"use strict";
// The list of frames, which makes elements only for the rows in sight, and the frame that is open below it.
{
  const { h, count, clock, span, size } = ftwire;
  const AROUND = 12; // rows above and below those in sight
  const SLICE = 12; // milliseconds of filtering between two looks at the user
  const ITEMS = 100; // items of a list that are shown at first
  const BYTES = 2048; // bytes that are shown at once
  const NARROW = matchMedia("(max-width: 620px)");
  const CHIPS = [
    ["All", ""],
    ["Requests", "kind == request"],
    ["Responses", "kind == response"],
    ["Pushes", "kind == push"],
    ["Failed", "kind == response and ret_type != 0"],
    ["Unanswered", "unanswered"],
    ["Slow", "latency > 100ms"],
    ["Not decoded", "error"],
  ];

  class Frames {
    constructor(data) {
      Object.assign(this, data);
      this.filters = new ftwire.Filters(data);
      this.rows = null; // rows that match, null for all
      this.seen = 0; // rows that were compared with the filter
      this.answered = new Set(); // requests that have got their response, and are to be compared again
      this.chosen = -1; // row that is selected
      this.openRow = -1;
      this.view = "fields";
      this.work = 0;
      this.names = this.filters.names;
    }

    get length() {
      return this.rows === null ? this.table.rows : this.rows.length;
    }
    rowAt(index) {
      return this.rows === null ? index : this.rows[index];
    }
    indexOf(row) {
      if (this.rows === null) return row;
      let low = 0;
      let high = this.rows.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.rows[middle] < row) low = middle + 1;
        else high = middle;
      }
      return this.rows[low] === row ? low : -1;
    }
    get height() {
      return NARROW.matches ? 48 : 26;
    }

    draw(place) {
      this.input = h("input", {
        id: "filter",
        type: "search",
        spellcheck: "false",
        autocomplete: "off",
        autocapitalize: "off",
        placeholder: "proto ~ Qot_Get* and latency > 50ms",
        "aria-describedby": "filter-note",
        onkeydown: (event) => {
          if (event.key === "Enter") this.apply(this.input.value);
          if (event.key === "Escape") {
            if (this.input.value !== this.filter) this.input.value = this.filter;
            this.list.focus();
          }
          event.stopPropagation();
        },
        oninput: () => {
          if (!this.input.value) this.apply("");
        },
      });
      this.filter = "";
      this.note = h("div", { class: "filter-note", id: "filter-note", role: "status" });
      this.chips = CHIPS.map(([name, filter]) =>
        h("button", { type: "button", "aria-pressed": "false", onclick: () => this.apply(filter) }, name),
      );
      this.head = h(
        "div",
        { class: "list-head", role: "row", "aria-rowindex": "1" },
        [
          ["Frame", "right"],
          ["Time (UTC)", ""],
          ["", ""],
          ["Kind", ""],
          ["Protocol", ""],
          ["Serial", "right row-serial"],
          ["Latency", "right"],
          ["About", ""],
        ].map(([name, kind]) =>
          h("span", { role: "columnheader", class: kind }, name || h("span", { class: "unseen" }, "Direction")),
        ),
      );
      this.body = h("div", { class: "spacer", role: "rowgroup" });
      this.nothing = h("p", { class: "nothing", hidden: true });
      this.list = h(
        "div",
        {
          class: "list",
          role: "grid",
          tabindex: "0",
          "aria-label": "Frames",
          "aria-colcount": "8",
          onscroll: () => {
            this.#later();
            this.onscroll?.();
          },
          onkeydown: (event) => this.#listKey(event),
        },
        h("div", { role: "rowgroup", class: "list-top" }, this.head),
        this.body,
        this.nothing,
      );
      this.details = h("div", {
        class: "details",
        hidden: true,
        role: "region",
        "aria-label": "The frame that is open",
      });
      place.replaceChildren(
        h(
          "div",
          { class: "filter" },
          h(
            "div",
            { class: "filter-line" },
            h("label", { for: "filter" }, "Filter"),
            this.input,
            h("button", { type: "button", onclick: () => this.apply(this.input.value) }, "Apply"),
            h(
              "button",
              { type: "button", "aria-label": "Export what is shown as JSON lines", onclick: () => this.export() },
              "Export",
            ),
          ),
          h("div", { class: "chips", role: "group", "aria-label": "Ready-made filters" }, this.chips),
          this.note,
        ),
        h("div", { class: "split" }, this.list, this.details),
      );
      new ResizeObserver(() => this.#later()).observe(this.list);
      NARROW.addEventListener("change", () => this.refresh());
      this.refresh();
      this.#say();
    }

    // Filters.

    // Show the rows that match; bodies are read chunk by chunk, and the page stays alive meanwhile.
    async apply(text) {
      const filter = text.trim();
      const work = ++this.work;
      this.input.value = filter;
      this.input.removeAttribute("aria-invalid");
      let compiled = null;
      if (filter) {
        try {
          compiled = this.filters.compile(filter);
        } catch (error) {
          if (!(error instanceof ftwire.FilterError)) throw error;
          this.list.removeAttribute("aria-busy");
          this.#refuse(filter, error);
          return false;
        }
      }
      this.filter = filter;
      this.chips.forEach((chip, index) => chip.setAttribute("aria-pressed", String(CHIPS[index][1] === filter)));
      if (compiled === null) this.rows = null;
      else {
        this.list.setAttribute("aria-busy", "true");
        const end = this.table.rows;
        const found = await this.#matching(compiled, work, 0, end);
        if (found === null) return false; // another filter has come
        this.rows = found;
        this.seen = end;
      }
      this.list.removeAttribute("aria-busy");
      this.list.scrollTop = 0;
      if (this.chosen >= 0 && this.indexOf(this.chosen) < 0) this.chosen = -1;
      this.refresh();
      this.#say();
      if (this.chosen >= 0) this.reveal(this.chosen);
      this.onfilter?.(filter);
      return true;
    }

    // Rows from `first` to before `end` that match; null where another filter has come meanwhile.
    async #matching({ test, needsBody }, work, first, end) {
      const found = [];
      const { bodies } = this;
      let until = performance.now() + SLICE;
      let chunk = null;
      let parsedRow = -1;
      let parsed = null;
      const body = (row) => {
        if (parsedRow !== row) {
          const { json } = ftwire.Bodies.of(chunk, row);
          [parsedRow, parsed] = [row, json === null ? null : JSON.parse(json)];
        }
        return parsed;
      };
      for (let row = first; row < end; row++) {
        if (needsBody && (chunk === null || row >= chunk.end)) chunk = await bodies.open(row);
        if (test(row, body)) found.push(row);
        if ((row & 63) === 0 && performance.now() > until) {
          this.note.textContent = `Filtering: ${Math.floor((100 * (row - first)) / (end - first))} %, ${count(found.length)} so far`;
          await new Promise((resolve) => setTimeout(resolve));
          if (work !== this.work) return null;
          until = performance.now() + SLICE;
        }
      }
      return work === this.work ? found : null;
    }

    // Take note of rows that have come, and of requests that have got their response: in a live page.
    async grow(answered) {
      for (const row of answered) this.answered.add(row);
      // A filter at work takes the rows that there were when it began.
      if (this.list.hasAttribute("aria-busy")) return;
      const changed = [...this.answered];
      this.answered.clear();
      if (this.rows !== null) {
        const { work } = this;
        const end = this.table.rows;
        const compiled = this.filters.compile(this.filter);
        const found = await this.#matching(compiled, work, this.seen, end);
        if (found === null) return;
        const lost = new Set();
        for (const row of changed) {
          if (this.indexOf(row) >= 0 && !(await this.#matching(compiled, work, row, row + 1))?.length) lost.add(row);
        }
        if (work !== this.work) return;
        if (lost.size) this.rows = this.rows.filter((row) => !lost.has(row));
        for (const row of found) this.rows.push(row);
        this.seen = end;
        if (this.chosen >= 0 && this.indexOf(this.chosen) < 0) this.chosen = -1;
      }
      this.refresh();
      if (this.input.getAttribute("aria-invalid") === null) this.#say();
    }

    // Save the rows that are shown as JSON, one object a line, with keys as of `ftwire dump --json`.
    async export() {
      const { table, bodies } = this;
      const rows = Array.from({ length: this.length }, (_, index) => this.rowAt(index));
      const parts = [];
      for (const [done, row] of rows.entries()) {
        const { json, why } = ftwire.Bodies.of(await bodies.open(row), row);
        const column = (name) => table.column(name)[row];
        const [src, dst] = table.ends(row);
        const line = {
          number: column("number"),
          time: String(table.time(row) ?? 0n),
          conversation: column("conversation"),
          src,
          dst,
          kind: table.kind(row),
          proto_id: column("proto_id"),
          proto: this.name(row),
          serial: Number(column("serial")),
          encryption: table.encryptions[column("encryption")],
          body_length: column("body_length"),
          request: column("request") || null,
          latency_ns: table.latency(row) === null ? null : String(table.latency(row)),
          body: json === null ? null : JSON.parse(json),
          error: why,
          error_type: table.error(row),
        };
        parts.push(`${JSON.stringify(line)}\n`);
        if (done % 500 === 499) {
          this.note.textContent = `Exporting: ${Math.floor((100 * done) / rows.length)} %`;
          await new Promise((resolve) => setTimeout(resolve));
        }
      }
      ftwire.download(new Blob(parts, { type: "application/jsonl" }), "frames.jsonl");
      this.#say();
    }

    // Whether the last row is in sight.
    get isAtEnd() {
      return this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 2 * this.height;
    }

    #refuse(filter, error) {
      this.input.setAttribute("aria-invalid", "true");
      const caret = `${" ".repeat([...filter.slice(0, error.at)].length)}^`;
      this.note.replaceChildren(
        h("span", { class: "bad-text" }, error.problem),
        h("pre", { tabindex: "0", "aria-label": "Place of the error" }, `${filter}\n${caret}`),
      );
      this.input.setSelectionRange(error.at, error.at);
    }

    #say() {
      const { rows } = this.table;
      if (this.rows === null)
        this.note.textContent = rows
          ? `${rows === 1 ? "One frame" : `All ${count(rows)} frames`}. Fields of bodies work too: s2c.rtList.price > 600`
          : "";
      else this.note.textContent = `${count(this.rows.length)} of ${count(rows)} frames`;
    }

    // The list.

    refresh() {
      const { length } = this;
      this.body.style.height = `${length * this.height}px`;
      this.list.setAttribute("aria-rowcount", String(length + 1));
      this.nothing.hidden = length > 0;
      this.nothing.textContent = this.table.rows
        ? "No frame matches this filter."
        : this.session.frames
          ? "No frame of this session is listed."
          : ftwire.live
            ? "There is no frame yet. They appear here as they come."
            : "There is no frame in this report.";
      this.drawn = null;
      this.#rows();
    }

    #later() {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = undefined;
        this.#rows();
      });
    }

    #rows() {
      const { height, length } = this;
      const top = Math.max(this.list.scrollTop - this.head.offsetHeight, 0);
      const first = Math.max(Math.floor(top / height) - AROUND, 0);
      const last = Math.min(Math.ceil((top + this.list.clientHeight) / height) + AROUND, length);
      const pair = this.chosen < 0 ? -1 : this.pairOf(this.chosen);
      const key = `${first} ${last} ${this.chosen} ${pair} ${height}`;
      if (key === this.drawn) return;
      this.drawn = key;
      const made = [];
      for (let index = first; index < last; index++) made.push(this.#row(index, this.rowAt(index), pair));
      this.body.replaceChildren(...made);
      if (this.chosen >= 0) this.list.setAttribute("aria-activedescendant", `row-${this.chosen}`);
      else this.list.removeAttribute("aria-activedescendant");
    }

    #row(index, row, pair) {
      const { table } = this;
      const kind = table.kind(row);
      const latency = table.latency(row);
      const error = table.error(row);
      const isBad = error !== null || table.column("failed")[row] || table.column("unanswered")[row];
      const mark = table.column("unanswered")[row] ? "unanswered " : "";
      const about = `${mark}${table.summaries[row]}${error ? ` ${error}` : ""}`;
      const cell = (text, name) => h("span", { role: "gridcell", class: name }, text);
      const element = h(
        "div",
        {
          class: `row ${isBad ? "is-bad" : ""} ${row === pair ? "is-pair" : ""}`,
          role: "row",
          id: `row-${row}`,
          "aria-rowindex": String(index + 2),
          "aria-selected": String(row === this.chosen),
          onclick: () => this.open(row),
        },
        cell(table.column("number")[row], "right row-number"),
        cell(clock(table.time(row), NARROW.matches ? 3 : 6), "row-time"),
        cell(table.column("sender")[row] ? "←" : "→", `row-arrow ${kind}`),
        cell(kind, `row-kind ${kind}`),
        cell(this.name(row), "row-proto"),
        cell(`#${table.column("serial")[row]}`, "right row-serial muted"),
        cell(latency === null ? "" : span(latency), "right row-latency"),
        cell(about, "row-about"),
      );
      element.style.top = `${index * this.height}px`;
      return element;
    }

    name(row) {
      const id = this.table.column("proto_id")[row];
      return this.names.get(id) ?? `protocol ${id}`;
    }
    // The other frame of an exchange, or -1.
    pairOf(row) {
      const kind = this.table.kind(row);
      return kind === "response" ? this.table.requestRow(row) : kind === "request" ? this.table.responseRow(row) : -1;
    }

    // The request of an exchange, or -1.
    requestOf(row) {
      if (row < 0) return -1;
      const kind = this.table.kind(row);
      return kind === "request" ? row : kind === "response" ? this.table.requestRow(row) : -1;
    }
    sendAgain(row) {
      const request = this.requestOf(row);
      if (request >= 0) this.onsend?.(this.table.column("number")[request]);
    }

    choose(row) {
      this.chosen = row;
      this.reveal(row);
      this.drawn = null;
      this.#rows();
      if (this.openRow >= 0) this.open(row);
    }

    reveal(row) {
      const index = this.indexOf(row);
      if (index < 0) return;
      const top = index * this.height;
      const room = this.list.clientHeight - this.head.offsetHeight;
      if (top < this.list.scrollTop) this.list.scrollTop = top;
      else if (top + this.height > this.list.scrollTop + room) this.list.scrollTop = top + this.height - room;
    }

    move(by) {
      if (!this.length) return;
      const index = this.chosen < 0 ? -1 : this.indexOf(this.chosen);
      const next = index < 0 ? (by > 0 ? Math.floor(this.list.scrollTop / this.height) : this.length - 1) : index + by;
      this.choose(this.rowAt(Math.min(Math.max(next, 0), this.length - 1)));
    }

    #listKey(event) {
      const page = Math.max(Math.floor(this.list.clientHeight / this.height) - 1, 1);
      const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (event.key in moves && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        this.move(moves[event.key]);
      }
    }

    // The frame that is open.

    async open(row) {
      this.chosen = row;
      this.openRow = row;
      this.details.hidden = false;
      this.drawn = null;
      this.#rows();
      const kind = this.table.kind(row);
      const pair = this.pairOf(row);
      const rows = pair < 0 ? [row] : kind === "request" ? [row, pair] : [pair, row];
      const parts = [];
      for (const each of rows) parts.push(ftwire.Bodies.of(await this.bodies.open(each), each));
      if (this.openRow !== row) return;
      const toggle = (view, name) =>
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(this.view === view),
            onclick: () => {
              this.view = view;
              this.open(row);
            },
          },
          name,
        );
      const lone =
        kind === "request"
          ? "No response to it is in the list."
          : kind === "response"
            ? "Its request is not in the list."
            : null;
      this.details.replaceChildren(
        h(
          "div",
          { class: "details-bar" },
          h(
            "div",
            { role: "group", "aria-label": "Form of the bodies" },
            toggle("fields", "Fields and bytes"),
            " ",
            toggle("json", "JSON"),
          ),
          h(
            "div",
            {},
            this.onsend && this.requestOf(row) >= 0
              ? h(
                  "button",
                  { type: "button", class: "again", onclick: () => this.sendAgain(row) },
                  "Send request again ",
                  h("kbd", {}, "s"),
                )
              : "",
            " ",
            h("button", { type: "button", onclick: () => this.close() }, "Close ", h("kbd", {}, "Esc")),
          ),
        ),
        h(
          "div",
          { class: "pair" },
          rows.map((each, index) => this.#card(each, parts[index], each === row)),
          pair < 0 && lone ? h("p", { class: "muted" }, lone) : "",
        ),
      );
      this.reveal(row);
      this.onopen?.(this.table.column("number")[row]);
    }

    close() {
      if (this.openRow < 0) return;
      this.openRow = -1;
      this.details.hidden = true;
      this.details.replaceChildren();
      this.list.focus();
      this.onopen?.(null);
      this.#later();
    }

    #card(row, part, isChosen) {
      const { table } = this;
      const number = table.column("number")[row];
      const [source, destination] = table.ends(row);
      const kind = table.kind(row);
      const facts = [
        ["Time", `${ftwire.day(table.time(row) ?? 0n)} ${clock(table.time(row))}`],
        ["Serial", `${table.column("serial")[row]}`],
        ["Ends", `${source} → ${destination}`],
        ["Conversation", `${table.column("conversation")[row]}`],
        [
          "Body",
          `${size(table.column("body_length")[row])}, ${["protobuf", "json"][table.column("format")[row]] ?? `format ${table.column("format")[row]}`}`,
        ],
        ["Encryption", table.encryptions[table.column("encryption")[row]]],
        ["SHA-1", ["", "agrees", "differs"][table.column("sha1_ok")[row]]],
        ["Latency", table.latency(row) === null ? "" : span(table.latency(row))],
      ].filter(([, value]) => value !== "");
      const card = h(
        "article",
        { class: `card ${isChosen ? "is-chosen" : ""}`, "aria-label": `${kind} ${number}` },
        h(
          "div",
          { class: "card-head" },
          h(
            "h3",
            {},
            h("span", { class: kind }, `${kind} `),
            h("span", { class: "mono" }, number),
            " ",
            this.name(row),
          ),
          table.column("unanswered")[row] ? h("span", { class: "badge bad" }, "unanswered") : "",
        ),
        h(
          "dl",
          { class: "facts" },
          facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { class: "mono" }, value))),
        ),
        part.why ? h("p", { class: "bad-text" }, `${table.error(row)}: ${part.why}`) : "",
      );
      const value = part.json === null ? null : JSON.parse(part.json);
      if (this.view === "json") {
        if (value === null) card.append(h("p", { class: "muted" }, "There is no message to show."));
        else
          card.append(
            h(
              "pre",
              { class: "json", tabindex: "0", "aria-label": `JSON of frame ${number}` },
              JSON.stringify(value, null, 2),
            ),
          );
        return card;
      }
      const bytes = new Bytes(part, number, table.className(row), this.filters.fields);
      const content = h("div", { class: "card-body" });
      if (value !== null) {
        const tree = new Tree(
          value,
          table.className(row),
          this.filters,
          (path) => bytes.mark(path),
          `Fields of frame ${number}`,
        );
        bytes.onpick = (path) => tree.select(path);
        content.append(tree.element);
      }
      content.append(bytes.element);
      card.append(content);
      return card;
    }
  }

  // The fields of a message as a tree.
  class Tree {
    constructor(value, className, filters, onselect, label) {
      Object.assign(this, { filters, onselect });
      this.items = new Map();
      if (!Object.keys(value).length) {
        this.element = h("p", { class: "muted" }, "The message is empty.");
        return;
      }
      this.element = h("ul", {
        class: "tree",
        role: "tree",
        "aria-label": label,
        onkeydown: (event) => this.#key(event),
      });
      this.#fill(this.element, value, className, "");
      this.element.firstElementChild?.setAttribute("tabindex", "0");
    }
    #fill(place, value, className, prefix) {
      const fields = new Map(
        [...(this.filters.fields.get(className)?.values() ?? [])].map((field) => [field.json, field]),
      );
      for (const [name, inner] of Object.entries(value)) {
        const field = fields.get(name) ?? null;
        place.append(this.#item(name, inner, field, prefix + name));
      }
    }
    #item(name, value, field, path) {
      const item = h("li", { role: "treeitem", "aria-selected": "false", tabindex: "-1" });
      const node = h("div", { class: "node" });
      item.append(node);
      const isList = Array.isArray(value);
      const isMessage = value !== null && typeof value === "object" && !isList;
      const label = h("span", { class: "name" }, `${name}:`);
      if (!isList && !isMessage) {
        node.append(h("span", { class: "twist" }), label, this.#value(value, field));
      } else {
        const entries = isList ? value : Object.keys(value);
        const note = isList ? `${count(value.length)} ${value.length === 1 ? "item" : "items"}` : "";
        const twist = h("span", { class: "twist", "aria-hidden": "true" }, "▸");
        node.append(twist, label, h("span", { class: "muted" }, note));
        let group = null;
        const open = (isOpen) => {
          if (!entries.length) return;
          if (isOpen && group === null) {
            group = h("ul", { role: "group" });
            if (isMessage) this.#fill(group, value, field?.message ?? null, `${path}.`);
            else this.#items(group, value, field, path, 0);
            item.append(group);
          }
          if (group) group.hidden = !isOpen;
          item.setAttribute("aria-expanded", String(isOpen));
          twist.textContent = isOpen ? "▾" : "▸";
        };
        item.open = open;
        open(isMessage || value.length <= 5);
        if (!item.hasAttribute("aria-expanded")) twist.textContent = "";
      }
      node.addEventListener("click", () => {
        if (item.open && this.selected === item) item.open(item.getAttribute("aria-expanded") !== "true");
        this.#choose(item, path);
      });
      this.items.set(path, item);
      item.path = path;
      return item;
    }
    #items(group, value, field, path, from) {
      const end = Math.min(from + ITEMS, value.length);
      const one = field === null ? null : { ...field, repeated: false };
      for (let index = from; index < end; index++)
        group.append(this.#item(`[${index}]`, value[index], one, `${path}.${index}`));
      if (end < value.length) {
        const more = h(
          "button",
          {
            type: "button",
            onclick: () => {
              item.remove();
              this.#items(group, value, field, path, end);
            },
          },
          `${count(value.length - end)} more`,
        );
        const item = h("li", { role: "none" }, more);
        group.append(item);
      }
    }
    #value(value, field) {
      if (value === "***") return h("span", { class: "masked" }, "*** hidden");
      const names = field?.enum === null || field === null ? null : this.filters.words.enums[field.enum];
      if (names !== null && typeof value === "number" && Object.hasOwn(names, value))
        return h("span", {}, `${value} `, h("span", { class: "muted" }, names[value]));
      if (typeof value === "string" && (field === null || field.type === "string"))
        return h("span", { class: "text" }, JSON.stringify(value));
      return h("span", {}, String(value));
    }
    #choose(item, path, focuses = true) {
      this.selected?.setAttribute("aria-selected", "false");
      this.element.querySelectorAll('[tabindex="0"]').forEach((each) => each.setAttribute("tabindex", "-1"));
      this.selected = item;
      item.setAttribute("aria-selected", "true");
      item.setAttribute("tabindex", "0");
      if (focuses) item.focus({ preventScroll: false });
      this.onselect(path);
    }
    // Select the field at a path, opening what is around it.
    select(path) {
      const names = path.split(".");
      for (let length = 1; length <= names.length; length++) {
        const item = this.items.get(names.slice(0, length).join("."));
        if (!item) break;
        if (length === names.length) {
          this.#choose(item, path, false);
          item.scrollIntoView({ block: "nearest" });
        } else item.open?.(true);
      }
    }
    #key(event) {
      const item = event.target.closest('[role="treeitem"]');
      if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
      const shown = [...this.element.querySelectorAll('[role="treeitem"]')].filter(
        (each) => !each.closest("ul[hidden]"),
      );
      const at = shown.indexOf(item);
      const isOpen = item.getAttribute("aria-expanded");
      let next = null;
      if (event.key === "ArrowDown") next = shown[at + 1];
      else if (event.key === "ArrowUp") next = shown[at - 1];
      else if (event.key === "Home") next = shown[0];
      else if (event.key === "End") next = shown.at(-1);
      else if (event.key === "ArrowRight" && isOpen === "false") item.open(true);
      else if (event.key === "ArrowRight" && isOpen === "true") next = shown[at + 1];
      else if (event.key === "ArrowLeft" && isOpen === "true") item.open(false);
      else if (event.key === "ArrowLeft") next = item.parentElement.closest('[role="treeitem"]');
      else if (event.key === "Enter" || event.key === " ") this.#choose(item, item.path);
      else return;
      event.preventDefault();
      event.stopPropagation();
      if (next) this.#choose(next, next.path);
    }
  }

  // The bytes of a frame, those of a field marked.
  class Bytes {
    constructor(part, number, className, classes) {
      Object.assign(this, { number, onpick: null, from: 0 });
      this.head = part.header ?? new Uint8Array();
      this.body = part.body;
      this.element = h("div", { class: "bytes-box" });
      if (part.body === null) {
        this.element.append(
          h(
            "p",
            { class: "bytes-title" },
            "No bytes: something in this body is hidden, it is JSON, or it did not verify (--show-secrets).",
          ),
        );
        return;
      }
      this.all = new Uint8Array(this.head.length + part.body.length);
      this.all.set(this.head);
      this.all.set(part.body, this.head.length);
      this.spansOf = () =>
        (this.spans ??= className === null ? new Map() : ftwire.spans(part.body, className, classes));
      this.title = h("p", { class: "bytes-title", role: "status" });
      this.dump = h("pre", {
        class: "bytes",
        tabindex: "0",
        role: "group",
        "aria-label": `Bytes of frame ${number}`,
        onclick: (event) => this.#pick(event),
      });
      this.element.append(this.title, this.dump);
      this.mark(null);
    }
    mark(path) {
      if (this.body === null) return;
      const span = path === null ? null : (this.spansOf().get(path) ?? null);
      const [start, end] = span === null ? [-1, -1] : span.map((each) => each + this.head.length);
      if (span !== null && (start < this.from || start >= this.from + BYTES)) this.from = Math.max(start - 64, 0) & ~15;
      const width = innerWidth < 620 ? 8 : 16;
      const stop = Math.min(this.from + BYTES, this.all.length);
      const lines = [];
      for (let at = this.from; at < stop; at += width) {
        const line = this.all.subarray(at, Math.min(at + width, stop));
        const hex = [];
        const text = [];
        for (let index = 0; index < line.length; index++) {
          const place = at + index;
          const kind = place >= start && place < end ? "mark" : "span";
          const name = place < this.head.length ? "head" : null;
          const gap = index + 1 < width ? (index === 7 ? "  " : " ") : "";
          // The space between two bytes that are marked is marked, too.
          const joins = kind === "mark" && place + 1 < end;
          hex.push(
            h(
              kind,
              { class: name, "data-at": String(place) },
              line[index].toString(16).padStart(2, "0"),
              joins ? gap : "",
            ),
            joins ? "" : gap,
          );
          text.push(
            h(kind, { class: name }, line[index] > 31 && line[index] < 127 ? String.fromCharCode(line[index]) : "."),
          );
        }
        const missing = " ".repeat((width - line.length) * 3 + (line.length <= 8 && width === 16 ? 1 : 0));
        lines.push(
          h("span", { class: "offset" }, at.toString(16).padStart(6, "0")),
          "  ",
          hex,
          missing,
          "  ",
          text,
          "\n",
        );
      }
      const more = this.all.length > BYTES ? `, shown from ${this.from}` : "";
      const header = this.head.length ? `${this.head.length} of the header, ` : "";
      const chosen = span === null ? "" : `; ${path}: ${span[1] - span[0]} bytes from ${span[0]} of the body`;
      this.title.textContent = `Bytes: ${header}${count(this.body.length)} of the body${more}${chosen}`;
      this.dump.replaceChildren(...lines.flat(Infinity));
      const first = this.dump.querySelector("mark");
      if (first) this.dump.scrollTop = first.offsetTop - this.dump.offsetTop - 30;
    }
    #pick(event) {
      const found = event.target.closest("[data-at]");
      if (!found) return;
      const at = Number(found.dataset.at) - this.head.length;
      let best = null;
      for (const [path, [start, end]] of this.spansOf()) {
        if (at >= start && at < end && (best === null || end - start <= best[1])) best = [path, end - start];
      }
      if (best) {
        this.onpick?.(best[0]);
      }
    }
  }

  ftwire.Frames = Frames;
}
