"use strict";
// The overview: what happened, from the whole to the single.
{
  const { h, count, plural, span, clock, amount, size } = ftwire;

  const frameLink = (number) =>
    number ? h("a", { href: `#frame-${number}`, class: "mono", "aria-label": `frame ${number}` }, number) : "–";
  const filterLink = (text, filter, attributes = {}) =>
    h("a", { href: `#frames?${encodeURIComponent(filter)}`, ...attributes }, text);

  // A table; columns are [heading, cell(row), class].
  const table = (caption, columns, rows) =>
    h(
      "table",
      {},
      h("caption", { class: "unseen" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map(([name, , kind = ""]) =>
            h("th", { scope: "col", class: kind.replace(/mono|wrap/g, "").trim() || null }, name),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            columns.map(([, cell, kind]) => h("td", { class: kind }, cell(row))),
          ),
        ),
      ),
    );
  const scrolling = (label, content, extra = "") =>
    h("div", { class: `scroll ${extra}`, tabindex: "0", role: "region", "aria-label": label }, content);

  const panel = (id, title, { wide = false, note = null, tools = null } = {}, ...content) =>
    h(
      "section",
      { class: `panel ${wide ? "wide" : ""}`, id: `panel-${id}`, "aria-labelledby": `title-${id}`, tabindex: "-1" },
      h(
        "div",
        { class: "panel-head" },
        h("h2", { id: `title-${id}` }, title),
        note && h("span", { class: "panel-note" }, note),
        tools && h("div", { class: "panel-tools" }, tools),
      ),
      content,
    );

  class Overview {
    constructor(data) {
      Object.assign(this, data);
      this.names = new Map();
      for (const [id, name] of data.vocabulary.protocols) if (!this.names.has(id)) this.names.set(id, name);
    }
    name(id) {
      return this.names.get(id) ?? `protocol ${id}`;
    }

    draw(place) {
      const panels = [
        this.#findings(),
        this.#timeline(),
        this.#latencies(),
        this.#gaps(),
        this.#failed(),
        this.#unanswered(),
        this.#broken(),
        this.#prices(),
        this.#books(),
        this.#orders(),
        this.#subscriptions(),
        this.#protocols(),
        this.#conversations(),
      ];
      const absent = panels.filter((each) => typeof each === "string");
      const shown = panels.filter((each) => typeof each !== "string");
      const jump = h(
        "div",
        { class: "jump", role: "group", "aria-label": "Parts of this page" },
        shown.map((each) =>
          h(
            "button",
            {
              type: "button",
              class: "quiet",
              onclick: () => {
                each.scrollIntoView({ block: "start" });
                each.focus({ preventScroll: true });
              },
            },
            each.querySelector("h2").textContent,
          ),
        ),
      );
      place.replaceChildren(
        this.#tiles(),
        this.#notices(),
        jump,
        h("div", { class: "panels" }, shown),
        absent.length ? h("p", { class: "absent" }, `Nothing in this session of: ${absent.join(", ")}.`) : "",
      );
    }

    #tiles() {
      const { session } = this;
      const all = session.stats.all;
      const pushes = session.kinds.push;
      const tile = (name, value, note, { filter = null, bad = false } = {}) =>
        h(
          filter === null ? "div" : "a",
          {
            class: `tile ${bad ? "is-bad" : ""}`,
            href: filter === null ? null : `#frames?${encodeURIComponent(filter)}`,
          },
          h("span", { class: "tile-name" }, name),
          h("span", { class: "tile-value" }, value),
          h("span", { class: "tile-note" }, note),
        );
      const slowest = session.stats.protocols
        .filter((each) => each.latency_ns)
        .sort((a, b) => Number(b.latency_ns.max) - Number(a.latency_ns.max))[0];
      return h(
        "div",
        { class: "tiles" },
        tile(
          "Frames",
          count(session.frames),
          `${size(all.bytes)} in ${plural(session.conversation_count, "conversation")}`,
          { filter: "" },
        ),
        tile("Requests", count(session.kinds.request), `${count(session.kinds.response)} answered`, {
          filter: "kind == request",
        }),
        tile("Pushes", count(pushes), pushes ? plural(session.gaps.streams, "stream") : "none in this session", {
          filter: "kind == push",
        }),
        tile(
          "Slowest reply",
          slowest ? span(slowest.latency_ns.max) : "–",
          slowest ? slowest.proto : "none that is known",
          slowest ? { filter: `latency >= ${slowest.latency_ns.max}ns` } : {},
        ),
        tile("Failed", count(all.failed), "requests OpenD refused", {
          filter: "kind == response and ret_type != 0",
          bad: all.failed > 0,
        }),
        tile("Unanswered", count(all.unanswered), "requests without a reply", {
          filter: "unanswered",
          bad: all.unanswered > 0,
        }),
        tile(
          "Not decoded",
          count(all.errors),
          session.stats.gaps.count
            ? `and ${count(session.stats.gaps.bytes)} bytes in no frame`
            : "damaged or without a key",
          { filter: "error", bad: all.errors + session.stats.gaps.count > 0 },
        ),
      );
    }

    #notices() {
      const { session, about } = this;
      const notices = [];
      if (session.listed < session.frames) {
        const text = `The list has the first ${count(session.listed)} of ${count(session.frames)} frames, and so have the timeline and the list of unanswered requests. Everything else here is of the whole session.`;
        notices.push(h("li", { class: "notice warn" }, text));
      }
      if (about.secrets)
        notices.push(
          h(
            "li",
            { class: "notice bad" },
            "Nothing is hidden: this file has every key, password and account number of the session in it.",
          ),
        );
      if (about.filter)
        notices.push(
          h(
            "li",
            { class: "notice" },
            "Only frames that match ",
            h("code", { class: "mono" }, about.filter),
            " are in this report.",
          ),
        );
      for (const note of session.notes) notices.push(h("li", { class: "notice warn" }, note));
      return notices.length ? h("ul", { class: "notices" }, notices) : "";
    }

    #findings() {
      const { rows, checked, without_key: withoutKey, left_out: more } = this.session.findings;
      const note = `${plural(checked, "frame")} checked`;
      const unread = withoutKey
        ? h("p", { class: "warn-text" }, `${count(withoutKey)} of them are encrypted, and their key is not known (--key).`)
        : "";
      if (!rows.length) {
        const calm = h(
          "p",
          { class: "calm" },
          checked ? h("span", { class: "good-text", "aria-hidden": "true" }, "✓") : "",
          checked ? `No known mistake in ${withoutKey ? "the others" : "this session"}.` : "There is no frame to check.",
        );
        return panel("findings", "Findings", { wide: true, note }, unread, withoutKey < checked || !withoutKey ? calm : "");
      }
      const item = (row) => {
        const places = row.frames.slice(0, 8).flatMap((number, index) => [index ? ", " : "", frameLink(number)]);
        const more = row.count > 8 ? ` and ${count(row.count - 8)} more` : "";
        const who = [row.sender && `by the ${row.sender}`, row.conversation && `conversation ${row.conversation}`]
          .filter(Boolean)
          .join(", ");
        return h(
          "li",
          { class: `finding ${row.proven ? "" : "likely"}` },
          h("h3", {}, row.title, row.proven ? "" : h("span", { class: "warn-text" }, " (likely)")),
          h("p", {}, row.proof),
          h("p", {}, h("strong", {}, "Remedy: "), row.remedy),
          h(
            "p",
            { class: "muted" },
            h("span", { class: "mono" }, row.mistake),
            who ? ` · ${who}` : "",
            places.length ? [" · frame ", places, more] : "",
          ),
        );
      };
      return panel(
        "findings",
        "Findings",
        { wide: true, note },
        unread,
        h("ol", { class: "findings" }, rows.map(item)),
        more ? h("p", { class: "muted" }, `${count(more)} more are not listed.`) : "",
      );
    }

    // Frames over time, of the whole or of a part that is chosen with the mouse.
    #timeline() {
      const { table: frames } = this;
      const times = frames.column("time");
      const kinds = frames.column("kind");
      const failed = frames.column("failed");
      const errors = frames.column("error");
      const rows = [];
      for (let row = 0; row < frames.rows; row++) if (frames.time(row) !== null) rows.push(row);
      if (rows.length < 2) return "times";
      const start = times[rows[0]];
      // Nanoseconds since the first frame are exact in a double for a hundred days.
      const since = Float64Array.from(rows, (row) => Number(times[row] - start));
      let last = 0;
      for (const each of since) last = Math.max(last, each);
      const whole = [0, Math.max(last, 1)];
      let range = whole;
      // Seconds of the day: large enough numbers would not hold microseconds.
      const offset = Number(start % 86_400_000_000_000n) / 1e9;
      const caption = h("span", { class: "panel-note" });
      const wholeButton = h("button", { type: "button", onclick: () => choose(whole), hidden: true }, "Whole session");
      const link = h("a", { href: "#frames" }, "Show these frames");
      const choose = (next) => {
        range = next;
        wholeButton.hidden = range === whole;
        chart.draw();
      };
      const make = (colour, width) => {
        const narrow = width < 520;
        const step = nice((range[1] - range[0]) / Math.max(Math.floor(width / (narrow ? 6 : 7)), 20));
        const first = Math.floor((range[0] + offset * 1e9) / step) * step - offset * 1e9;
        const bins = Math.floor((range[1] - first) / step) + 1;
        const counts = Array.from({ length: 4 }, () => new Array(bins).fill(0));
        since.forEach((time, index) => {
          if (time < range[0] || time > range[1]) return;
          const bin = Math.floor((time - first) / step);
          const row = rows[index];
          counts[kinds[row]][bin]++;
          if (failed[row] || errors[row]) counts[3][bin]++;
        });
        const [requests, responses, pushes, trouble] = counts;
        const x = Array.from({ length: bins }, (_, bin) => offset + (first + bin * step) / 1e9);
        caption.textContent = `frames every ${span(step)}, UTC; drag to look closer`;
        const from = start + BigInt(Math.floor(range[0]));
        const to = start + BigInt(Math.ceil(range[1]));
        link.href = `#frames?${encodeURIComponent(range === whole ? "" : `time >= ${from} and time <= ${to}`)}`;
        const axis = ftwire.axes(colour);
        // One on top of the other: each series is drawn with those below it, the highest first.
        const below = (...parts) => x.map((_, bin) => parts.reduce((sum, part) => sum + part[bin], 0));
        const bars = (label, name, values) => ({
          label,
          fill: colour(name),
          stroke: colour(name),
          width: 0,
          paths: uPlot.paths.bars({ size: [0.86, 60], align: 1 }),
          points: { show: false },
          value: (_, __, ___, bin) => (bin === null || bin === undefined ? "–" : count(values[bin])),
        });
        const midnight = (start / 86_400_000_000_000n) * 86_400_000_000_000n;
        const places = (seconds) => Math.min(Math.max(-Math.floor(Math.log10(seconds) + 1e-9), 0), 6);
        const clockOf = (seconds, digits) => ftwire.clock(midnight + BigInt(Math.round(seconds * 1e6)) * 1000n, digits);
        return {
          data: [
            x,
            below(pushes, responses, requests),
            below(responses, requests),
            requests,
            trouble.map((each) => each || null),
          ],
          options: {
            height: narrow ? 200 : 240,
            padding: [null, narrow ? 20 : 44, null, null],
            scales: {
              x: { time: false, range: () => [x[0], x[bins - 1] + step / 1e9] },
              y: { range: (_, __, max) => [0, Math.max(max, 1) * 1.06] },
            },
            cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false } },
            legend: { isolate: false },
            series: [
              { label: "Time", value: (_, value) => (value === null ? "–" : clockOf(value, places(step / 1e9))) },
              bars("Pushes", "push", pushes),
              bars("Responses", "response", responses),
              bars("Requests", "request", requests),
              bars("Failed or not decoded", "bad", trouble),
            ],
            axes: [
              {
                ...axis,
                space: narrow ? 84 : 110,
                incrs: STEPS.map((each) => each / 1e9),
                values: (_, splits, __, ___, gap) => splits.map((value) => clockOf(value, places(gap))),
              },
              {
                ...axis,
                size: 52,
                incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6],
                values: (_, splits) => splits.map(count),
              },
            ],
            hooks: {
              setSelect: [
                (plot) => {
                  if (plot.select.width < 4) return;
                  const at = (pixel) => (plot.posToVal(pixel, "x") - offset) * 1e9;
                  const chosen = [
                    Math.max(at(plot.select.left), 0),
                    Math.min(at(plot.select.left + plot.select.width), whole[1]),
                  ];
                  if (chosen[1] - chosen[0] > 10_000) setTimeout(() => choose(chosen));
                },
              ],
            },
          },
        };
      };
      const chart = ftwire.chart("Requests, responses, pushes and failures over time", make);
      return panel("timeline", "Timeline", { wide: true, tools: [caption, wholeButton, link] }, chart.place);
    }

    #latencies() {
      const rows = this.session.stats.protocols.filter((each) => each.latency_ns);
      if (!rows.length) return "latencies";
      rows.sort((a, b) => Number(b.latency_ns.p99) - Number(a.latency_ns.p99));
      const values = rows
        .flatMap((row) => [Number(row.latency_ns.p50), Number(row.latency_ns.max)])
        .map((value) => Math.max(value, 1));
      const [low, high] = [Math.log(Math.min(...values) / 1.3), Math.log(Math.max(...values) * 1.3)];
      const at = (value) => `${(100 * (Math.log(Math.max(Number(value), 1)) - low)) / (high - low)}%`;
      const bar = ({ latency_ns: found }) => {
        const element = h("div", { class: "span", "aria-hidden": "true" }, h("i"), h("b"), h("u"));
        const [range, middle, end] = element.children;
        range.style.left = at(found.p50);
        range.style.right = `calc(100% - ${at(found.max)})`;
        middle.style.left = at(found.p50);
        end.style.left = at(found.p99);
        return element;
      };
      const columns = [
        [
          "Protocol",
          (row) => filterLink(row.proto ?? `protocol ${row.proto_id}`, `proto == ${row.proto_id} and latency`),
        ],
        ["p50 – max", bar, "wide-only"],
        ["p50", (row) => span(row.latency_ns.p50), "number"],
        ["p90", (row) => span(row.latency_ns.p90), "number wide-only"],
        ["p99", (row) => span(row.latency_ns.p99), "number"],
        ["max", (row) => span(row.latency_ns.max), "number"],
      ];
      return panel(
        "latency",
        "Latency",
        { note: "request to response, logarithmic" },
        scrolling("Latency by protocol", table("Latency by protocol", columns, rows)),
      );
    }

    #gaps() {
      const { rows, streams, left_out: leftOut } = this.session.gaps;
      const gaps = rows.filter((row) => row.longest !== null);
      if (!gaps.length) return "push gaps";
      const columns = [
        [
          "Stream",
          (row) => [
            filterLink(
              this.name(row.proto_id),
              `proto == ${row.proto_id}${row.code ? ` and code == ${row.code}` : ""}`,
            ),
            row.code ? h("span", { class: "mono" }, ` ${row.code}`) : "",
          ],
          "wrap",
        ],
        ["Pushes", (row) => count(row.pushes), "number"],
        ["p50", (row) => span(row.p50), "number"],
        ["p99", (row) => span(row.p99), "number"],
        ["Longest", (row) => span(row.longest), "number"],
        ["Before frame", (row) => frameLink(row.after), "number"],
      ];
      const more =
        streams > rows.length
          ? `the ${count(rows.length)} with the longest gaps of ${count(streams)} streams`
          : plural(streams, "stream");
      const note = leftOut
        ? `${more}; ${plural(leftOut, "push", "pushes")} of further streams are not told apart`
        : more;
      return panel("gaps", "Push gaps", { note }, scrolling("Push gaps", table("Time between pushes", columns, gaps)));
    }

    #failed() {
      const { rows, count: all } = this.session.troubles.failed;
      if (!rows.length) return "failed requests";
      const code = (row) => [row.retType ?? "", row.errCode ? `/${row.errCode}` : ""].join("");
      const columns = [
        ["Frame", (row) => frameLink(row.number), "number"],
        ["Time", (row) => clock(row.time, 3), "mono nowrap"],
        ["Protocol", (row) => this.name(row.proto_id)],
        ["Request", (row) => frameLink(row.request), "number"],
        ["Code", code, "number"],
        ["Text", (row) => row.retMsg || row.status || h("span", { class: "muted" }, "none"), "wrap"],
      ];
      const hidden = this.about.hidden.includes("text") ? "OpenD's texts are hidden (--keep text)" : null;
      return panel(
        "failed",
        "Failed requests",
        { note: listed(rows, all, hidden) },
        scrolling("Failed requests", table("Failed requests", columns, rows)),
      );
    }

    #unanswered() {
      const { table: frames } = this;
      const column = frames.column("unanswered");
      const rows = [];
      for (let row = 0; row < frames.rows; row++) if (column[row]) rows.push(row);
      if (!rows.length) return "unanswered requests";
      const columns = [
        ["Frame", (row) => frameLink(frames.column("number")[row]), "number"],
        ["Time", (row) => clock(frames.time(row), 3), "mono nowrap"],
        ["Protocol", (row) => this.name(frames.column("proto_id")[row])],
        ["About", (row) => frames.summaries[row], "wrap"],
      ];
      const shown = rows.slice(0, 500);
      return panel(
        "unanswered",
        "Unanswered requests",
        { note: listed(shown, rows.length) },
        scrolling("Unanswered requests", table("Unanswered requests", columns, shown)),
      );
    }

    #broken() {
      const { broken, undecoded } = this.session.troubles;
      const rows = [
        ...broken.rows.map((row) => ({
          ...row,
          what: this.name(row.proto_id),
          text: row.key ? "encrypted, and no key is known" : `${row.error}: ${row.why}`,
        })),
        ...undecoded.rows.map((row) => ({ ...row, what: `from the ${row.sender}`, number: null })),
      ];
      if (!rows.length) return "damage";
      rows.sort((a, b) => (BigInt(a.time) < BigInt(b.time) ? -1 : 1));
      const columns = [
        ["Frame", (row) => frameLink(row.number), "number"],
        ["Time", (row) => clock(row.time, 3), "mono nowrap"],
        ["What", (row) => row.what],
        ["Why", (row) => row.text, "wrap"],
      ];
      return panel(
        "broken",
        "Not decoded",
        { wide: true, note: listed(rows, broken.count + undecoded.count) },
        scrolling("Not decoded", table("What could not be decoded", columns, rows)),
      );
    }

    #prices() {
      const { series, left_out: leftOut } = this.session.prices;
      if (!series.length) return "prices of time shares and K-lines";
      let chosen = [...series].sort((a, b) => b.time.length - a.time.length)[0];
      const label = (each) => `${each.code} · ${each.source}`;
      const select = h(
        "select",
        {
          "aria-label": "Security and source",
          onchange: (event) => {
            chosen = series[event.target.selectedIndex];
            chart.draw();
          },
        },
        series.map((each) => h("option", { selected: each === chosen }, label(each))),
      );
      const make = (colour, width) => {
        const isLine = chosen.values.length === 3;
        const [open, high, low, close] = chosen.values;
        const volume = chosen.values.at(-1);
        const axis = ftwire.axes(colour);
        const value = (_, found) => (found === null ? "–" : amount(found));
        const points = { show: chosen.time.length < 40, size: 5 };
        const plain = isLine
          ? [
              { label: "Price", stroke: colour("request"), width: 1.8, scale: "y", value, points },
              {
                label: "Average",
                stroke: colour("warn"),
                width: 1.2,
                dash: [5, 4],
                scale: "y",
                value,
                points: { show: false },
              },
            ]
          : [
              {
                label: "High",
                stroke: ftwire.faded(colour("request"), 0.45),
                width: 1,
                scale: "y",
                value,
                points: { show: false },
              },
              {
                label: "Low",
                stroke: ftwire.faded(colour("request"), 0.45),
                width: 1,
                scale: "y",
                value,
                points: { show: false },
              },
              { label: "Close", stroke: colour("request"), width: 1.8, scale: "y", value, points },
            ];
        const bars = {
          label: "Volume",
          stroke: colour("push"),
          fill: ftwire.faded(colour("push"), 0.35),
          width: 1,
          scale: "v",
          value,
          paths: uPlot.paths.bars({ size: [0.7, 24] }),
          points: { show: false },
        };
        const withTime = chosen.time.some((each) => each % 86400);
        const stamp = (seconds) =>
          new Date(seconds * 1e3)
            .toISOString()
            .replace("T", " ")
            .slice(0, withTime ? 16 : 10);
        const days = (_, splits, __, ___, gap) => {
          let before = "";
          return splits.map((each) => {
            const [date, time] = new Date(each * 1e3).toISOString().split("T");
            const isNew = date !== before;
            before = date;
            if (gap >= 86400) return date;
            return isNew ? `${time.slice(0, 5)}\n${date}` : time.slice(0, 5);
          });
        };
        const spread = chosen.time.length > 1 ? [] : [chosen.time[0] - 300, chosen.time[0] + 300];
        return {
          data: isLine
            ? [chosen.time, chosen.values[0], chosen.values[1], volume]
            : [chosen.time, high, low, close, volume],
          options: {
            height: width < 520 ? 240 : 300,
            scales: {
              x: spread.length ? { time: true, range: () => spread } : { time: true },
              y: {
                range: (_, min, max) => [
                  min - (max - min || Math.abs(min) * 0.01 || 1) * 0.35,
                  max + (max - min || Math.abs(min) * 0.01 || 1) * 0.08,
                ],
              },
              v: { range: (_, __, max) => [0, (max || 1) * 4] },
            },
            bands: isLine ? [] : [{ series: [1, 2], fill: ftwire.faded(colour("request"), 0.12) }],
            series: [{ label: "Time", value: (_, found) => (found === null ? "–" : stamp(found)) }, ...plain, bars],
            axes: [
              {
                ...axis,
                space: 70,
                values: days,
                incrs: [
                  1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440, 2880, 7200, 10080, 43200, 131040, 524160,
                ].map((each) => each * 60),
              },
              { ...axis, scale: "y", size: 64, values: (_, splits) => splits.map((each) => amount(each)) },
            ],
          },
        };
      };
      const chart = ftwire.chart("Price and volume", make);
      const note = leftOut
        ? `the exchange's time; ${plural(leftOut, "frame")} of further securities left out`
        : "the exchange's time";
      return panel(
        "prices",
        "Prices",
        { wide: true, tools: [h("span", { class: "panel-note" }, note), select] },
        chart.place,
      );
    }

    #books() {
      const { books } = this.session.prices;
      if (!books.length) return "order books";
      const place = h("div", {});
      const side = (name, kind, levels, most) => {
        const depth = [
          "Depth",
          ([, volume]) => {
            const bar = h("div", { "aria-hidden": "true" });
            bar.style.width = `${(100 * volume) / (most || 1)}%`;
            return bar;
          },
          "depth",
        ];
        const figures = [
          ["Orders", ([, , orders]) => count(orders), "number"],
          ["Volume", ([, volume]) => count(volume), "number"],
          ["Price", ([price]) => amount(price), "number mono"],
        ];
        const columns = kind === "bids" ? [depth, ...figures] : [...figures.reverse(), depth];
        return h(
          "div",
          { class: kind },
          h("h3", {}, name),
          levels.length ? table(name, columns, levels) : h("p", { class: "muted" }, "empty"),
        );
      };
      const show = (book) => {
        const most = Math.max(...[...book.bids, ...book.asks].map(([, volume]) => volume), 1);
        place.replaceChildren(
          h("p", { class: "panel-note" }, "as of ", clock(book.time, 3), ", frame ", frameLink(book.number)),
          h(
            "div",
            { class: "books" },
            side("Bids", "bids", book.bids.slice(0, 10), most),
            side("Asks", "asks", book.asks.slice(0, 10), most),
          ),
        );
      };
      show(books[0]);
      const select = h(
        "select",
        { "aria-label": "Security", onchange: (event) => show(books[event.target.selectedIndex]) },
        books.map((book) => h("option", {}, book.code)),
      );
      return panel(
        "books",
        "Last order book",
        { wide: true, tools: books.length > 1 ? select : h("span", { class: "mono" }, books[0].code) },
        place,
      );
    }

    #orders() {
      const { orders, left_out: leftOut } = this.session.orders;
      if (!orders.length) return "orders";
      const card = (order) => {
        const status =
          [...order.events].reverse().find((event) => event.status)?.status ?? order.events.at(-1)?.what ?? "";
        const first = order.events.find((event) => event.qty !== undefined) ?? {};
        const kind = /fail|reject|refused|timeout/i.test(status) ? "bad" : /filled_all/i.test(status) ? "good" : "";
        const about = [
          order.trdSide,
          first.qty === undefined ? null : amount(first.qty),
          order.code,
          first.price === undefined ? null : `at ${amount(first.price)}`,
          order.orderType,
        ];
        const item = (event) => {
          const text = [
            event.status ? event.status.replaceAll("_", " ").toLowerCase() : event.what,
            event.qty === undefined ? "" : `, ${amount(event.qty)}`,
            event.price === undefined ? "" : ` at ${amount(event.price)}`,
            event.fillQty
              ? `, ${amount(event.fillQty)} filled${event.fillAvgPrice ? ` at ${amount(event.fillAvgPrice)}` : ""}`
              : "",
          ].join("");
          const style = event.what === "filled" ? "is-fill" : /refused|fail/i.test(text) ? "is-bad" : "";
          return h(
            "li",
            { class: style },
            h("span", { class: "mono muted" }, clock(event.time, 3)),
            " ",
            text,
            " ",
            h("span", { class: "muted" }, "frame "),
            frameLink(event.number),
          );
        };
        return h(
          "details",
          { class: "order", open: orders.length <= 12 },
          h(
            "summary",
            {},
            h("h3", {}, about.filter(Boolean).join(" ")),
            h("span", { class: `badge ${kind}` }, status.replaceAll("_", " ").toLowerCase()),
            h("span", { class: "mono muted" }, order.id),
          ),
          h("ol", {}, order.events.map(item)),
          order.more ? h("p", { class: "muted" }, `and ${count(order.more)} more`) : "",
        );
      };
      const pseudonyms = this.about.hidden.includes("order") ? "numbers are pseudonyms" : "";
      const note = [
        plural(orders.length, "order"),
        pseudonyms,
        leftOut ? `${plural(leftOut, "event")} of further orders left out` : "",
      ]
        .filter(Boolean)
        .join("; ");
      return panel(
        "orders",
        "Orders",
        { wide: true, note },
        scrolling("Orders", h("div", { class: "orders" }, orders.slice(0, 300).map(card)), "tall"),
      );
    }

    #subscriptions() {
      const { events, held, quota, left_out: leftOut } = this.session.subscriptions;
      if (!events.length && !quota.length) return "subscriptions";
      const columns = [
        ["Frame", (row) => frameLink(row.number), "number"],
        ["Time", (row) => clock(row.time, 3), "mono nowrap"],
        ["What", (row) => (row.ok ? row.what : h("span", { class: "bad-text" }, `${row.what}: refused`))],
        ["Types", (row) => row.types.join(", "), "wrap"],
        [
          "Securities",
          (row) => [row.codes.join(", "), row.more_codes ? ` and ${count(row.more_codes)} more` : ""],
          "wrap mono",
        ],
        ["Held then", (row) => count(row.held), "number"],
      ];
      const summary = held.map(
        (each) => `conversation ${each.conversation} held ${count(each.count)} at its end, ${count(each.most)} at most`,
      );
      if (quota.length)
        summary.push(
          `quota by OpenD at ${clock(quota.at(-1).time, 0)}: ${count(quota.at(-1).used)} used, ${count(quota.at(-1).left)} left`,
        );
      if (leftOut) summary.push(`${plural(leftOut, "event")} left out`);
      return panel(
        "subscriptions",
        "Subscriptions",
        { wide: true, note: "one of the quota for each security and type" },
        h("p", {}, capital(summary.join("; ")), "."),
        events.length ? scrolling("Subscriptions", table("Subscriptions", columns, events)) : "",
      );
    }

    #protocols() {
      const { protocols, all } = this.session.stats;
      if (!protocols.length) return "frames";
      const number = (name) => [
        capital(name),
        (row) => (row[name] ? h("span", { class: name === "frames" ? "" : "bad-text" }, count(row[name])) : "–"),
        "number",
      ];
      const columns = [
        ["Protocol", (row) => filterLink(row.proto ?? `protocol ${row.proto_id}`, `proto == ${row.proto_id}`)],
        ["ID", (row) => row.proto_id, "number"],
        number("frames"),
        ["Bytes", (row) => size(row.bytes), "number"],
        number("failed"),
        number("unanswered"),
        number("errors"),
      ];
      const rows = [...protocols].sort((a, b) => b.frames - a.frames);
      return panel(
        "protocols",
        "Protocols",
        { note: `${count(protocols.length)} with ${plural(all.frames, "frame")}` },
        scrolling("Protocols", table("Protocols", columns, rows)),
      );
    }

    #conversations() {
      const { conversations, conversation_count: all } = this.session;
      if (!conversations.length) return "conversations";
      const columns = [
        [
          "",
          (row) =>
            filterLink(row.number, `conversation == ${row.number}`, { "aria-label": `conversation ${row.number}` }),
          "number",
        ],
        ["Client", (row) => row.client, "mono wrap"],
        ["Server", (row) => row.server, "mono wrap"],
        ["Over", (row) => row.transport],
        ["From", (row) => (row.from_start ? clock(row.opened, 3) : "before the capture"), "nowrap"],
        ["To", (row) => `${clock(row.closed, 3)} ${row.reason ?? ""}`, "wrap"],
      ];
      const hidden = this.about.hidden.includes("address") ? "addresses other than loopback are pseudonyms" : null;
      return panel(
        "conversations",
        "Conversations",
        { wide: true, note: listed(conversations, all, hidden) },
        scrolling("Conversations", table("Conversations", columns, conversations)),
      );
    }
  }

  const listed = (rows, all, more = null) =>
    [rows.length < all ? `the first ${count(rows.length)} of ${count(all)}` : count(all), more]
      .filter(Boolean)
      .join("; ");
  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  // Lengths of time that divide each other as clocks do, in nanoseconds.
  const STEPS = [
    ...[1e3, 1e4, 1e5, 1e6, 1e7, 1e8].flatMap((power) => [power, 2 * power, 5 * power]),
    ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 604800].map(
      (each) => each * 1e9,
    ),
  ];
  const nice = (value) => STEPS.find((each) => each >= value) ?? Math.ceil(value / 604800e9) * 604800e9;

  ftwire.Overview = Overview;
}
