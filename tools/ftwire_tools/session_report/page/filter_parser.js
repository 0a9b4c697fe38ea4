"use strict";
// Parses filters with the tables that lark makes of the grammar of `-Y`: this is the machine that runs the tables, and
// knows nothing of the language.
{
  class FilterError extends Error {
    constructor(problem, at) {
      super(problem);
      Object.assign(this, { problem, at });
    }
  }

  // Python's \w and \d know all scripts, JavaScript's do not.
  const CLASSES = { w: "\\p{L}\\p{N}_", d: "\\p{Nd}" };

  // A regular expression of Python's as one of JavaScript's; raises SyntaxError for what only Python has.
  ftwire.regexp = (source, flags) => {
    let out = "";
    let inClass = false;
    for (let at = 0; at < source.length; at++) {
      const character = source[at];
      const next = source[at + 1];
      if (character === "\\") {
        at++;
        const inner = CLASSES[next?.toLowerCase()];
        if (inner && next === next.toLowerCase()) out += inClass ? inner : `[${inner}]`;
        else if (inner) {
          if (inClass) throw new SyntaxError(`\\${next} in brackets`);
          out += `[^${inner}]`;
        } else if (next === "A") out += "^";
        else if (next === "Z") out += "$";
        else if (next === "a") out += "\\x07";
        else if (next !== undefined && /[^A-Za-z0-9]/.test(next))
          out += /[\^$\\.*+?()[\]{}|/-]/.test(next) ? escaped(next, inClass) : next;
        else out += character + (next ?? "");
      } else if (inClass) {
        if (character === "]") inClass = false;
        out += character === "[" ? "\\[" : character;
      } else if (character === "[") {
        inClass = true;
        out += character;
        if (next === "^") out += source[++at];
        if (source[at + 1] === "]") {
          out += "\\]";
          at++;
        }
      } else if (character === "(" && next === "?" && source[at + 2] === "P") {
        if (source[at + 3] === "<") {
          out += "(?<";
          at += 3;
        } else throw new SyntaxError("(?P=name)");
      } else if ((character === "{" && !/^\{(\d+,?\d*|,\d+)\}/.test(source.slice(at))) || character === "}") {
        const repeats = character === "}" && /\{(\d+,?\d*|,\d+)$/.test(source.slice(0, at));
        out += repeats ? character : `\\${character}`;
      } else if (character === "{" && next === ",") {
        out += "{0";
      } else out += character;
    }
    return new RegExp(out, [...new Set(`u${flags}`)].join(""));
  };

  const escaped = (character, inClass) => (character === "-" && !inClass ? "-" : `\\${character}`);

  class Parser {
    constructor(tables) {
      this.tables = tables;
      this.patterns = tables.terminals.map(([name, source, flags]) => [name, ftwire.regexp(source, `y${flags}`)]);
      this.ignored = new Set(tables.ignore);
    }
    // Return the tree: {name, children, at}, where a leaf is {type, text, at}.
    parse(text) {
      if (text.length > this.tables.most) {
        throw new FilterError(`a filter has at most ${this.tables.most} characters`, 0);
      }
      const states = [this.tables.start];
      const values = [];
      let at = 0;
      for (;;) {
        const token = this.#token(text, at, states);
        at = token.at + token.text.length;
        if (this.#feed(states, values, token)) return values.at(-1);
      }
    }
    // The next token that may stand here; contextual, as lark's lexer is.
    #token(text, from, states) {
      let at = from;
      const actions = this.tables.states[states.at(-1)];
      for (;;) {
        if (at >= text.length) break;
        const found = this.#match(text, at, (name) => name in actions);
        if (!found) this.#fail(text, at, states);
        if (!this.ignored.has(found.type)) return found;
        at += found.text.length;
      }
      return { type: "$END", text: "", at: text.length, source: text };
    }
    #match(text, at, isWanted) {
      for (const [name, pattern] of this.patterns) {
        if (!this.ignored.has(name) && !isWanted(name)) continue;
        pattern.lastIndex = at;
        const match = pattern.exec(text);
        if (match && match[0]) return { type: name, text: match[0], at, source: text };
      }
      return null;
    }
    #feed(states, values, token) {
      for (;;) {
        const action = this.tables.states[states.at(-1)][token.type];
        if (!action) this.#fail(token.source, token.at, states);
        const [reduces, number] = action;
        if (!reduces) {
          states.push(number);
          values.push(token);
          return false;
        }
        this.#reduce(states, values, number);
        if (token.type === "$END" && states.at(-1) === this.tables.end) return true;
      }
    }
    #reduce(states, values, number) {
      const [origin, expansion, name, expands] = this.tables.rules[number];
      const from = values.length - expansion.length;
      let children = values.splice(from).filter((_, index) => expansion[index][1]);
      states.length -= expansion.length;
      // What a repetition has collected belongs to the node around it.
      children = children.flatMap((child) => (child.name?.startsWith("__") ? child.children : [child]));
      const isOne = expands && children.length === 1 && name === origin;
      values.push(isOne ? children[0] : { name, children });
      states.push(this.tables.states[states.at(-1)][origin][1]);
    }
    // Whether a terminal may stand here in the end, not only in the table.
    #accepts(states, terminal) {
      const copy = [...states];
      for (;;) {
        const action = this.tables.states[copy.at(-1)][terminal];
        if (!action) return false;
        if (!action[0]) return true;
        const [origin, expansion] = this.tables.rules[action[1]];
        copy.length -= expansion.length;
        copy.push(this.tables.states[copy.at(-1)][origin][1]);
        if (terminal === "$END" && copy.at(-1) === this.tables.end) return true;
      }
    }
    #fail(text, at, states) {
      const allowed = Object.keys(this.tables.words).filter((name) => this.#accepts(states, name));
      const words = [...new Set(allowed.map((name) => this.tables.words[name]))];
      const wanted = words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : words.join("");
      const begin = text
        .slice(at, at + 20)
        .trim()
        .split(/\s+/)[0];
      if (at < text.length && `"'/`.includes(text[at])) {
        throw new FilterError(`expected ${wanted}: the quote that begins here is not closed`, at);
      }
      if (!begin) throw new FilterError(`expected ${wanted}`, at);
      const isBehindBare =
        allowed.includes("_AND") && !allowed.includes("OPERATOR") && /[\p{L}\p{N}_.:]\s+$/u.test(text.slice(0, at));
      const hint =
        isBehindBare && /^[\p{L}\p{N}_]/u.test(begin) ? "; a value with a space in it stands in quotes" : "";
      throw new FilterError(`expected ${wanted}, not '${begin}'${hint}`, at);
    }
  }
  ftwire.FilterError = FilterError;
  ftwire.Parser = Parser;
}
