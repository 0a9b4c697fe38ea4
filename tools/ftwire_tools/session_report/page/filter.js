"use strict";
// What a filter means: from the tree of an expression to a function of a row, as `ftwire dump -Y` has it
// (docs/filters.md). Names, types and enums come from the page's vocabulary.
{
  const { FilterError } = ftwire;
  const DAY = 86_400n * 1_000_000_000n;
  const SIZES = { "": 1n, k: 1n << 10n, K: 1n << 10n, M: 1n << 20n, G: 1n << 30n };
  const SPANS = { ns: 1n, us: 1_000n, µs: 1_000n, ms: 1_000_000n, s: 1_000_000_000n };
  Object.assign(SPANS, { m: 60n * SPANS.s, h: 3600n * SPANS.s, d: 86_400n * SPANS.s });
  const INTEGERS = /^(u?int|s?fixed|sint)(32|64)$/;
  const STARTS = ["", "s2c", "c2s"];

  // Values. Numbers are exact: a numerator and a denominator.

  const exact = (text, factor = 1n) => {
    const found = /^([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
    let top = BigInt(found[2] + (found[3] ?? "")) * factor;
    let bottom = 1n;
    const exponent = Number(found[4] ?? 0) - (found[3]?.length ?? 0);
    if (exponent >= 0) top *= 10n ** BigInt(exponent);
    else bottom = 10n ** BigInt(-exponent);
    if (top % bottom === 0n) [top, bottom] = [top / bottom, 1n];
    return { top: found[1] === "-" ? -top : top, bottom };
  };
  const number = (text) => {
    if (!/^[+-]?(?:0[xX][0-9a-fA-F]{1,16}|\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?)$/.test(text)) return null;
    if (!/x/i.test(text)) return exact(text);
    const value = BigInt(text.replace(/^[+-]/, ""));
    return { top: text.startsWith("-") ? -value : value, bottom: 1n };
  };
  const isInteger = (text) => number(text)?.bottom === 1n;
  const size = (text) => {
    const found = /^(\d{1,20}(?:\.\d{1,20})?)([kKMG]?)$/.exec(text);
    return found && exact(found[1], SIZES[found[2]]);
  };
  const duration = (text) => {
    const found = /^(\d{1,20}(?:\.\d{1,20})?)(ns|us|µs|ms|s|m|h|d)$/.exec(text);
    return found && exact(found[1], SPANS[found[2]]);
  };
  const timeOfDay = (text) => {
    const found = /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?$/.exec(text);
    if (!found) return null;
    const seconds = Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3] ?? 0);
    return BigInt(seconds) * SPANS.s + BigInt((found[4] ?? "").padEnd(9, "0"));
  };
  const instant = (text) => {
    const plain = /^(\d{1,20})(?:\.(\d{1,9}))?$/.exec(text);
    if (plain) {
      if (plain[1].length > 12 && plain[2] === undefined) return BigInt(plain[1]);
      return BigInt(plain[1]) * SPANS.s + BigInt((plain[2] ?? "").padEnd(9, "0"));
    }
    const zone = "(Z|([+-])(\\d\\d):?(\\d\\d)(?::?(\\d\\d))?)?";
    const clock = "(\\d\\d)(?::?(\\d\\d)(?::?(\\d\\d)(?:[.,](\\d+))?)?)?";
    const found = new RegExp(`^(\\d{4})-?(\\d\\d)-?(\\d\\d)(?:[^]${clock}${zone})?$`).exec(text);
    if (!found) return null;
    const [year, month, day, hour, minute, second] = found.slice(1, 7).map((each) => Number(each ?? 0));
    const when = new Date(0);
    when.setUTCFullYear(year, month - 1, day);
    when.setUTCHours(hour, minute, second);
    if (year < 1 || when.getUTCMonth() !== month - 1 || when.getUTCDate() !== day || minute > 59 || second > 59)
      return null;
    const offset = found[9] ? (Number(found[10]) * 60 + Number(found[11])) * 60 + Number(found[12] ?? 0) : 0;
    const seconds = BigInt(when.getTime() / 1000 - (found[9] === "-" ? -offset : offset));
    return seconds * SPANS.s + BigInt((found[7] ?? "").slice(0, 6).padEnd(9, "0"));
  };
  const flag = (text) => ({ true: true, false: false })[text.toLowerCase()] ?? null;

  const EXPECTED = {
    number: "a number",
    size: "a number of bytes: 300, 64k, 1.5M",
    duration: "a duration with its unit (ns, us, ms, s, m, h, d): 50ms, 1.5s, 2m",
    time: 'a time: "2026-11-22 07:58:41" (UTC), 2026-11-22T15:58+08:00, or 07:58 of any day',
    flag: "true or false",
  };

  // How a value stands to a number: below 0, 0 or above 0; NaN where it is none.
  const order = (value, literal) => {
    if (typeof literal !== "object") return value < literal ? -1 : value > literal ? 1 : value === literal ? 0 : NaN;
    const left = literal.bottom === 1n ? value : BigInt(value) * literal.bottom;
    return left < literal.top ? -1 : left > literal.top ? 1 : 0;
  };
  const OPERATORS = {
    "==": (found) => found === 0,
    "!=": (found) => found !== 0,
    "<": (found) => found < 0,
    "<=": (found) => found <= 0,
    ">": (found) => found > 0,
    ">=": (found) => found >= 0,
  };

  // What an object has of that name by itself: "constructor" is in every one.
  const own = (object, name) => (Object.hasOwn(object, name) ? object[name] : undefined);

  const shortName = (name) => name.slice(name.indexOf("_") + 1) || name;

  // A glob of Python's fnmatch.
  const globSource = (glob) => {
    let out = "";
    for (let at = 0; at < glob.length; at++) {
      const character = glob[at];
      if (character === "*") out += ".*";
      else if (character === "?") out += ".";
      else if (character === "[") {
        let end = at + 1;
        if (glob[end] === "!") end++;
        if (glob[end] === "]") end++;
        while (end < glob.length && glob[end] !== "]") end++;
        if (end >= glob.length) out += "\\[";
        else {
          let inner = glob
            .slice(at + 1, end)
            .replace(/[\\\]]/g, "\\$&")
            .replace(/^\^/, "\\^");
          if (inner.startsWith("!")) inner = `^${inner.slice(1)}`;
          out += `[${inner}]`;
          at = end;
        }
      } else out += character.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&");
    }
    return `^(?:${out})$`;
  };

  class Filters {
    constructor(data) {
      const { vocabulary, table } = data;
      Object.assign(this, { words: vocabulary, table });
      this.parser = new ftwire.Parser(vocabulary.grammar);
      this.fields = new Map();
      for (const [name, fields] of Object.entries(vocabulary.classes)) {
        this.fields.set(name, new Map(fields.map((field) => [field[0], asField(field)])));
      }
      this.protocols = vocabulary.protocols.map(([id, name, former]) => ({ id, names: [name, ...former] }));
      this.names = new Map();
      for (const { id, names } of this.protocols) if (!this.names.has(id)) this.names.set(id, names[0]);
    }

    // Return {test(row, body), needsBody}; `body` returns the parsed JSON of the row, null where there is none.
    // Raises FilterError.
    compile(text) {
      const tree = this.parser.parse(text);
      const { test, needsBody } = this.#compiled(tree, this.words.limits.depth);
      return { test, needsBody };
    }

    #compiled(node, depth) {
      if (!depth) throw new FilterError(`nested more than ${this.words.limits.depth} levels deep`, 0);
      if (node.name === "group") return this.#compiled(node.children[0], depth);
      if (node.name === "negated") {
        const { test, needsBody } = this.#compiled(node.children[0], depth - 1);
        return { test: (row, body) => !test(row, body), needsBody };
      }
      if (node.name === "both" || node.name === "either") {
        const parts = node.children.map((child) => this.#compiled(child, depth - 1));
        // Those of the header first, so that few bodies are read.
        const tests = [...parts].sort((a, b) => a.needsBody - b.needsBody).map((part) => part.test);
        const test =
          node.name === "both"
            ? (row, body) => tests.every((each) => each(row, body))
            : (row, body) => tests.some((each) => each(row, body));
        return { test, needsBody: parts.some((part) => part.needsBody) };
      }
      if (node.name === "exclusion") {
        const { test, needsBody } = this.#compiled({ ...node, name: "membership" }, depth - 1);
        return { test: (row, body) => !test(row, body), needsBody };
      }
      return this.#condition(this.#read(node));
    }

    #read(node) {
      const [name, ...others] = node.children;
      const condition = { kind: node.name, name: name.text, at: name.at, values: [] };
      if (node.name === "comparison") {
        const { text } = others.shift();
        condition.operator = this.words.grammar.operators[text] ?? text;
      }
      for (const { children } of others) {
        const [token] = children;
        const isRegex = token.type === "REGEX";
        const bare = token.type === "QUOTED" ? token.text.slice(1, -1).replace(/\\(["'\\])/g, "$1") : token.text;
        condition.values.push({ text: isRegex ? token.text.slice(1, -1) : bare, isRegex, at: token.at });
      }
      if (node.name === "search") {
        condition.kind = "match";
        condition.values[0].isRegex = true;
      } else if (node.name === "containment") {
        condition.kind = "match";
        condition.values[0].text = `*${condition.values[0].text.replace(/[*?[]/g, "[$&]")}*`;
      }
      return condition;
    }

    #condition(condition) {
      const name = own(this.words.aliases, condition.name) ?? condition.name;
      const header = own(this.words.header, name) ?? null;
      if (!header) return this.#ofBody(condition, name);
      return { test: this.#ofHeader(condition, name, header), needsBody: false };
    }

    // The header.

    #reader(name) {
      const { table } = this;
      const column = table.column(name);
      switch (name) {
        case "kind":
          return (row) => table.kind(row);
        case "client":
        case "server":
          return (row) => table.conversations.get(table.column("conversation")[row])?.[name] ?? "";
        case "src":
          return (row) => table.ends(row)[0];
        case "dst":
          return (row) => table.ends(row)[1];
        case "time":
          return (row) => table.time(row);
        case "latency":
        case "latency_ns":
          return (row) => table.latency(row);
        case "request":
          return (row) => column[row] || null;
        case "format":
          return (row) => ["protobuf", "json"][column[row]] ?? String(column[row]);
        case "encryption":
          return (row) => table.encryptions[column[row]];
        case "sha1_ok":
          return (row) => [null, true, false][column[row]];
        case "unanswered":
          return (row) => column[row] === 1;
        case "error":
          return (row) => table.error(row);
        case "proto":
          return (row) => this.names.get(table.column("proto_id")[row]) ?? null;
        default:
          return (row) => column[row];
      }
    }

    #ofHeader(condition, name, { type, always, words }) {
      if (type === "code") return this.#ofCode(condition);
      const read = this.#reader(name);
      const { kind, operator, values } = condition;
      if (kind === "presence") {
        if (always) throw new FilterError(`${name} is set in every frame: compare it with a value`, condition.at);
        return type === "flag" ? (row) => read(row) === true : (row) => read(row) !== null;
      }
      if (type === "proto") return this.#ofProtocol(condition);
      if (type === "end") return this.#ofEnd(condition, read);
      if (kind === "match") {
        if (type !== "word") throw new FilterError(`~ is for texts, and ${name} is none`, condition.at);
        const search = this.#searcher(values[0]);
        return (row) => read(row) !== null && search(read(row));
      }
      if (kind === "comparison" && (type === "word" || type === "flag")) this.#onlyEquality(condition);
      if (type === "time") return this.#ofTime(condition, read);
      const wanted = values.map((value) => this.#headerValue(name, type, words, value));
      return this.#compared(condition, read, wanted);
    }

    #compared({ kind, operator }, read, wanted) {
      const isSame = (value, each) => (typeof each === "object" ? order(value, each) === 0 : value === each);
      if (kind === "membership") {
        return (row) => {
          const value = read(row);
          return value !== null && wanted.some((each) => isSame(value, each));
        };
      }
      const [literal] = wanted;
      if (typeof literal !== "object") {
        const equal = operator === "==";
        return (row) => read(row) !== null && (read(row) === literal) === equal;
      }
      const holds = OPERATORS[operator];
      return (row) => {
        const value = read(row);
        return value !== null && holds(order(value, literal));
      };
    }

    #headerValue(name, type, words, { text, at }) {
      if (type === "word") {
        const folded = new Map(words.map((word) => [word.toLowerCase(), word]));
        if (words.length && !folded.has(text.toLowerCase())) throw new FilterError(notAmong(name, text, words), at);
        return folded.get(text.toLowerCase()) ?? text;
      }
      return converted({ number, size, duration, flag }[type], EXPECTED[type], { text, at });
    }

    #ofTime({ kind, operator, values }, read) {
      const holds = OPERATORS[kind === "comparison" ? operator : "=="];
      const tests = values.map((value) => {
        const ofDay = timeOfDay(value.text);
        const wanted = ofDay ?? converted(instant, EXPECTED.time, value);
        return (row) => {
          const found = read(row);
          if (found === null) return false;
          return holds(order(ofDay === null ? found : ((found % DAY) + DAY) % DAY, wanted));
        };
      });
      return (row) => tests.some((test) => test(row));
    }

    #ofEnd({ kind, operator, values }, read) {
      if (kind === "match") {
        const search = this.#searcher(values[0]);
        return (row) => search(read(row));
      }
      for (const { text, at } of values) {
        if (/^\d+$/.test(text)) throw new FilterError(`expected HOST, HOST:PORT or :PORT; not '${text}'`, at);
      }
      const isEqual = kind !== "comparison" || operator !== "!=";
      return (row) => values.some(({ text }) => endMatches(read(row), text.toLowerCase())) === isEqual;
    }

    #protocolIds({ text, at }) {
      const ids = new Set();
      for (const part of text.split(",").map((each) => each.trim())) {
        if (/^\d+$/.test(part)) {
          ids.add(Number(part));
          continue;
        }
        const found = this.protocols.filter(({ names }) =>
          names.some((name) => name.toLowerCase() === part.toLowerCase()),
        );
        if (!found.length) throw new FilterError(`no protocol is called '${part}'`, at);
        for (const { id } of found) ids.add(id);
      }
      return ids;
    }

    #ofProtocol(condition) {
      const { kind, operator, values } = condition;
      let ids = new Set();
      if (kind === "comparison") this.#onlyEquality(condition);
      if (kind === "match") {
        const search = this.#searcher(values[0]);
        ids = new Set(this.protocols.filter(({ names }) => names.some(search)).map(({ id }) => id));
        if (!ids.size && !values[0].isRegex) ids = this.#protocolIds(values[0]);
        if (!ids.size) throw new FilterError(`no protocol's name matches '${values[0].text}'`, values[0].at);
      } else {
        for (const value of values) {
          if (/[*?[]/.test(value.text)) {
            throw new FilterError("a pattern is written with ~: proto ~ Qot_Get*", value.at);
          }
          for (const id of this.#protocolIds(value)) ids.add(id);
        }
      }
      const column = this.table.column("proto_id");
      if (kind === "comparison" && operator === "!=")
        return (row) => !ids.has(column[row]) && this.names.has(column[row]);
      return (row) => ids.has(column[row]);
    }

    #ofCode(condition) {
      const { kind, operator, values } = condition;
      // A reply often does not repeat the securities of its request.
      const codes = (row) => {
        const request = this.table.requestRow(row);
        return [...this.table.codesOf(row), ...(request < 0 ? [] : this.table.codesOf(request))];
      };
      if (kind === "presence") return (row) => codes(row).length > 0;
      let matches;
      if (kind === "match") matches = this.#searcher(values[0]);
      else {
        if (kind === "comparison") this.#onlyEquality(condition);
        const wanted = values.map(({ text }) => text.toUpperCase());
        for (const { text, at } of values) {
          if (text.includes("*")) throw new FilterError("a pattern is written with ~: code ~ US.*", at);
        }
        matches = (name) => wanted.includes(name) || wanted.includes(afterDot(name));
        if (kind === "comparison" && operator === "!=") {
          return (row) => codes(row).length > 0 && !codes(row).some(matches);
        }
      }
      return (row) => codes(row).some(matches);
    }

    // Bodies.

    // Where a path ends in messages of a class: {names: in JSON, field}; null where they do not have it.
    #endIn(className, path) {
      for (const start of STARTS) {
        let inner = className;
        let field = null;
        const names = [];
        for (const name of start ? [start, ...path] : path) {
          field = inner === null ? null : (this.fields.get(inner)?.get(name) ?? null);
          if (field === null) break;
          inner = field.message;
          names.push(field.json);
        }
        if (field !== null) return { names, field };
      }
      return null;
    }

    #ofBody(condition, name) {
      if (name.length > 200) throw new FilterError("a name has at most 200 characters", condition.at);
      const path = name.split(".");
      const ends = this.words.roots.map((root) => this.#endIn(root, path)).filter((end) => end !== null);
      if (!ends.length) throw new FilterError(this.#unknownName(condition.name), condition.at);
      const byClass = new Map();
      const endOf = (className) => {
        if (!byClass.has(className)) byClass.set(className, this.#endIn(className, path));
        return byClass.get(className);
      };
      const values = (row, body) => {
        const className = this.table.className(row);
        const end = className === null ? null : endOf(className);
        return end === null ? null : { end, values: valuesAt(body(row), end.names) };
      };
      if (condition.kind === "presence") {
        const isFlag = ends.every(({ field }) => field.type === "bool");
        const holds = isFlag ? (found) => found.values.includes(true) : (found) => found.values.length > 0;
        return { test: (row, body) => ((found) => found !== null && holds(found))(values(row, body)), needsBody: true };
      }
      if (ends.some(({ field }) => field.hidden)) {
        const reason = "is hidden, and a filter on it would tell its value (--show-secrets)";
        throw new FilterError(`${condition.name} ${reason}`, condition.at);
      }
      this.#checkEnds(condition, ends);
      const tests = new Map();
      const test = (row, body) => {
        const found = values(row, body);
        if (found === null || !found.values.length) return false;
        const { field } = found.end;
        if (!tests.has(field)) {
          try {
            tests.set(field, this.#fieldTest(condition, field));
          } catch (error) {
            if (!(error instanceof FilterError)) throw error;
            // The same path has a value of another type in messages of this class.
            tests.set(field, null);
          }
        }
        const holds = tests.get(field);
        return holds !== null && holds(found.values);
      };
      return { test, needsBody: true };
    }

    // That there is no such field, and the shortest paths that end in its name.
    #unknownName(name) {
      const last = name.split(".").at(-1);
      const found = new Set();
      const look = (className, prefix, depth) => {
        for (const field of this.fields.get(className).values()) {
          const isBody = !prefix && STARTS.includes(field.name);
          const path = isBody ? "" : prefix + field.name;
          if (field.name === last && !isBody) found.add(path);
          if (field.message !== null && depth) look(field.message, path && `${path}.`, depth - 1);
        }
      };
      for (const root of this.words.roots) look(root, "", 3);
      const paths = [...found].sort((a, b) => a.length - b.length || (a < b ? -1 : 1)).slice(0, 2);
      const near = own(this.words.wireshark, name) ?? paths;
      return `there is no field '${name}'${near.length ? `; did you mean ${near.join(" or ")}?` : ""}`;
    }

    // Raise FilterError for a value that fits the field in messages of no class.
    #checkEnds(condition, ends) {
      let problem = null;
      for (const { field } of ends) {
        try {
          this.#fieldTest(condition, field);
          return;
        } catch (error) {
          if (!(error instanceof FilterError)) throw error;
          problem ??= error;
        }
      }
      throw problem;
    }

    #fieldTest(condition, field) {
      const { kind, name, operator, values, at } = condition;
      if (field.message !== null) {
        const inner = [...this.fields.get(field.message).keys()].slice(0, 8).join(", ");
        throw new FilterError(`${name} has fields of its own, name one of them: ${inner}`, at);
      }
      if (field.type === "bytes") throw new FilterError(`${name} holds bytes, which cannot be compared`, at);
      const names = field.enum === null ? null : this.words.enums[field.enum];
      const plain = plainValue(field.type, names);
      if (kind === "match") {
        const search = this.#searcher(values[0]);
        if (names !== null) {
          const numbers = new Set(
            Object.keys(names)
              .filter((each) => search(names[each]))
              .map(Number),
          );
          return (found) => found.some((value) => numbers.has(plain(value)));
        }
        if (field.type !== "string") throw new FilterError(`~ is for texts, and ${name} is none`, at);
        return (found) => found.some((value) => search(value));
      }
      if (kind === "comparison") {
        const isName = names !== null && !isInteger(values[0].text);
        if (isName || field.type === "bool") this.#onlyEquality(condition);
      }
      const wanted = values.map((value) => this.#fieldValue(field, names, name, value));
      const isSame = (value, each) => order(value, each) === 0;
      if (kind === "membership")
        return (found) => found.some((value) => wanted.some((each) => isSame(plain(value), each)));
      const [literal] = wanted;
      if (operator === "!=") return (found) => found.every((value) => !isSame(plain(value), literal));
      const holds = OPERATORS[operator];
      if (field.type === "string") return (found) => found.some((value) => holds(textOrder(value, literal)));
      return (found) => found.some((value) => holds(order(plain(value), literal)));
    }

    #fieldValue(field, names, name, literal) {
      const { text, at } = literal;
      if (field.type === "string") return text;
      if (field.type === "bool") return converted(flag, EXPECTED.flag, literal);
      if (names !== null && !isInteger(text)) {
        const wanted = text.toLowerCase();
        const found = Object.keys(names).find((each) =>
          [names[each].toLowerCase(), shortName(names[each]).toLowerCase()].includes(wanted),
        );
        if (found === undefined) throw new FilterError(notAmong(name, text, Object.values(names)), at);
        return { top: BigInt(found), bottom: 1n };
      }
      const value = converted(number, EXPECTED.number, literal);
      if (field.type !== "double" && field.type !== "float") return value;
      const near = /x/i.test(text) ? Number(value.top) : Number(text);
      const fitting = field.type === "float" ? Math.fround(near) : near;
      if (!Number.isFinite(fitting)) throw new FilterError("expected a number that a field can hold", at);
      return fitting;
    }

    #searcher({ text, isRegex, at }) {
      if (text.length > this.words.limits.pattern) {
        throw new FilterError(`expected a pattern of at most ${this.words.limits.pattern} characters`, at);
      }
      const most = this.words.limits.matched;
      try {
        const pattern = isRegex ? ftwire.regexp(text, "i") : new RegExp(globSource(text), "isu");
        return (value) => pattern.test(value.slice(0, most));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw new FilterError(`expected a regular expression that this page can run (${error.message})`, at);
      }
    }

    #onlyEquality({ name, operator, at }) {
      if (operator !== "==" && operator !== "!=") throw new FilterError(`${name} has no order: only == and !=`, at);
    }
  }

  const asField = ([name, json, id, type, repeated, hidden, inner]) => ({
    name,
    json,
    number: id,
    type,
    repeated,
    hidden,
    message: typeof inner === "string" ? inner : null,
    enum: typeof inner === "number" ? inner : null,
  });

  const converted = (convert, expected, { text, at }) => {
    const value = convert(text);
    const hint = text.includes("..") ? " (a range is two conditions: number >= 5 and number <= 8)" : "";
    if (value === null) throw new FilterError(`expected ${expected}; not '${text}'${hint}`, at);
    return value;
  };

  const notAmong = (name, text, words) => {
    const more = words.length > 8 ? ` and ${words.length - 8} more` : "";
    return `${name} is never '${text}'; it is one of ${words.slice(0, 8).join(", ")}${more}`;
  };

  const afterDot = (name) => (name.includes(".") ? name.slice(name.indexOf(".") + 1) : "");

  const endMatches = (end, named) => {
    if (/^:\d+$/.test(named)) return end.endsWith(named);
    const host = (end.includes(":") ? end.slice(0, end.lastIndexOf(":")) : "").replace(/^[[\]]+|[[\]]+$/g, "");
    return end === named || (host === named.replace(/^[[\]]+|[[\]]+$/g, "") && host !== "");
  };

  // The values of a path through lists, in lists or not.
  const valuesAt = (root, names) => {
    let found = root === null || root === undefined ? [] : [root];
    for (const name of names) {
      const inner = [];
      for (const each of found) {
        const value = each[name];
        if (Array.isArray(value)) inner.push(...value);
        else if (value !== undefined && value !== null) inner.push(value);
      }
      found = inner;
    }
    return found;
  };

  // How a value stands in JSON -> what it is compared as.
  const plainValue = (type, names) => {
    if (type === "float") return (value) => Math.fround(Number(value));
    if (type === "double") return Number;
    if (type === "enum" && names !== null) {
      const numbers = new Map(Object.entries(names).map(([each, name]) => [name, Number(each)]));
      return (value) => (typeof value === "string" ? (numbers.get(value) ?? NaN) : value);
    }
    if (INTEGERS.test(type)) return (value) => (typeof value === "string" ? BigInt(value) : value);
    return (value) => value;
  };

  // The order of characters, which is not that of their halves in JavaScript.
  const textOrder = (left, right) => {
    const [a, b] = [[...left], [...right]];
    for (let at = 0; at < Math.min(a.length, b.length); at++) {
      if (a[at] !== b[at]) return a[at].codePointAt(0) - b[at].codePointAt(0);
    }
    return a.length - b.length;
  };

  ftwire.Filters = Filters;
}
