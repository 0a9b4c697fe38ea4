"use strict";
// Faults and the other verbs of the gateway or the proxy beside a live page, as the control port describes them.
{
  const { h, count, plural } = ftwire;
  const LOOK = 2000; // milliseconds between two looks at what is active
  const VERB = "/v1/"; // the beginning of a verb's path in the description

  const field = (label, input, note = "") =>
    h("label", { class: "field" }, h("span", {}, label), input, note ? h("small", {}, note) : "");
  // A text of the description: what stands in double backquotes is code.
  const prose = (text) => text.split("``").map((part, index) => (index % 2 ? h("code", {}, part) : part));
  const panel = (id, title, note, ...content) =>
    h(
      "section",
      { class: "panel", id: `panel-${id}`, "aria-labelledby": `title-${id}` },
      h("div", { class: "panel-head" }, h("h2", { id: `title-${id}` }, title), h("span", { class: "panel-note" }, note)),
      content,
    );

  class Control {
    constructor(live, data) {
      Object.assign(this, { live, data, shown: "" });
    }

    async draw(place) {
      if (this.place) return this.look();
      this.place = place;
      if (!this.data.about.steers) {
        const text =
          "This proxy passes all bytes unchanged. Started with --control, --fault or --script behind --record, it can " +
          "do something wrong on the way to the clients, and is switched here.";
        place.replaceChildren(panel("none", "Nothing to switch", "", h("p", { class: "calm" }, text)));
        return;
      }
      let state;
      try {
        [this.description, state] = await Promise.all([this.live.get("verbs"), this.live.get("state")]);
      } catch {
        this.place = null; // The connection is lost, which is said elsewhere.
        return;
      }
      this.active = h("div", { class: "active" });
      this.said = h("p", { class: "said", role: "status" });
      place.replaceChildren(
        h(
          "div",
          { class: "panels" },
          panel("active", "Active now", "", this.active, this.said),
          panel("fault", "Add a fault", "as --fault does", this.#fault()),
          panel("verbs", "All verbs", "those of the control port", this.#verbs(state)),
        ),
      );
      this.#state(state);
      setInterval(() => {
        if (!place.hidden && !document.hidden && !this.live.isPaused && !this.live.isLost) this.look();
      }, LOOK);
    }

    // What is active.

    async look() {
      if (!this.active) return;
      try {
        this.#state(await this.live.get("state"));
      } catch {
        // The connection is lost, which is said elsewhere.
      }
    }

    #state(state) {
      // Where nothing has changed nothing is drawn: buttons keep the focus.
      const text = JSON.stringify({ ...state, market: state.market && { ...state.market, now: 0 } });
      if (this.now && state.market) this.now.textContent = this.#time(state.market);
      if (text === this.shown) return;
      this.shown = text;
      const facts = [];
      const fact = (name, ...content) => facts.push(h("div", {}, h("dt", {}, name), h("dd", {}, content)));
      const button = (label, name, verb, values) =>
        h("button", { type: "button", "aria-label": name, onclick: () => this.call(verb, values) }, label);
      const rules = Object.entries(state.faults);
      fact(
        "Faults",
        rules.length
          ? h(
              "ul",
              {},
              rules.map(([number, rule]) =>
                h(
                  "li",
                  {},
                  h("code", {}, rule),
                  button("Remove", `Remove ${rule}`, "faults.remove", { number: Number(number) }),
                ),
              ),
            )
          : h("span", { class: "muted" }, "none"),
      );
      const waiting = Object.entries(state.refusals);
      if (waiting.length) fact("To be refused", waiting.map(([name, number]) => `${name}: ${count(number)}`).join(", "));
      if (state.script) {
        const [label, verb] = state.script.on ? ["Switch off", "script.switch_off"] : ["Switch on", "script.switch_on"];
        fact(
          "Script",
          h("code", {}, state.script.name),
          state.script.on ? " is on " : " is off ",
          button(label, `${label} the script`, verb, {}),
        );
      }
      fact("OpenD's servers", state.logged_in ? "connected" : h("span", { class: "bad-text" }, "not connected"));
      if (state.market) {
        this.now = h("span", {}, this.#time(state.market));
        const [label, verb] = state.market.stopped ? ["Start", "clock.start"] : ["Stop", "clock.stop"];
        fact("Market's clock", this.now, " ", button(label, `${label} the market's clock`, verb, {}));
        const steered = Object.entries(state.market.steered);
        if (steered.length)
          fact(
            "Stocks",
            steered.map(([name, what]) => `${name}: ${typeof what === "string" ? what : JSON.stringify(what)}`).join(", "),
          );
        if (state.market.next_orders.length) fact("Next orders", JSON.stringify(state.market.next_orders));
      }
      if (state.limits) {
        const { enforced, subscriptions_used: used, subscription_quota: quota } = state.limits;
        const history = `history ${count(state.limits.history_used)} of ${count(state.limits.history_quota)}`;
        fact("Limits", enforced ? `subscriptions ${count(used)} of ${count(quota)}, ${history}` : "off");
      }
      const { clients } = state;
      fact(
        "Clients",
        clients.length
          ? h(
              "ul",
              {},
              clients.map(({ number, peer, subscriptions }) =>
                h(
                  "li",
                  {},
                  `${number}: ${peer}`,
                  subscriptions === null ? "" : `, ${plural(subscriptions, "subscription")}`,
                  button("Cut", `Cut client ${number}`, "connections.close", { client: number }),
                ),
              ),
            )
          : h("span", { class: "muted" }, "none is connected"),
      );
      this.active.replaceChildren(
        h("dl", { class: "active-facts" }, facts),
        h("button", { type: "button", onclick: () => this.call("reset", {}) }, "Reset all"),
      );
    }

    #time({ now, stopped }) {
      const time = BigInt(now) * 1_000_000_000n;
      return `${ftwire.day(time)} ${ftwire.clock(time, 0)} UTC${stopped ? ", stopped" : ""}`;
    }

    // Call a verb; its result, or what is wrong with it, is said in `place`.
    async call(verb, values, place = this.said) {
      try {
        const { result, state } = await this.live.post("call", { verb, arguments: values });
        place.className = "said good-text";
        place.textContent = `${verb}: done${result === null ? "" : `, ${JSON.stringify(result)}`}`;
        this.#state(state);
        return true;
      } catch (error) {
        place.className = "said bad-text";
        place.textContent = error.message;
        return false;
      }
    }

    // A rule for a fault, from its parts.
    #fault() {
      const { faults } = this.description;
      const names = Object.keys(faults);
      const about = h("p", { class: "muted", role: "status" }, faults[names[0]]);
      const choice = h(
        "select",
        { name: "fault", onchange: () => about.replaceChildren(faults[choice.value]) },
        names.map((name) => h("option", {}, name)),
      );
      const input = (name, more = {}) => h("input", { name, autocomplete: "off", spellcheck: "false", ...more });
      const parts = {
        p: input("p", { inputmode: "decimal", placeholder: "1" }),
        n: input("n", { inputmode: "numeric" }),
        every: input("every", { inputmode: "numeric" }),
        proto: input("proto", { list: "protocols", placeholder: "all" }),
        client: input("client", { inputmode: "numeric", placeholder: "all" }),
        ms: input("ms", { inputmode: "decimal" }),
        ret_type: input("ret_type", { inputmode: "numeric", placeholder: "-1" }),
        err_code: input("err_code", { inputmode: "numeric", placeholder: "0" }),
        ret_msg: input("ret_msg"), // the last, as it may hold commas
      };
      const said = h("p", { class: "said", role: "status" });
      const add = async (event) => {
        event.preventDefault();
        const given = Object.entries(parts).filter(([, { value }]) => value.trim());
        const rule = [choice.value, given.map(([name, { value }]) => `${name}=${value.trim()}`).join(",")];
        await this.call("faults.add", { rule: rule.filter(Boolean).join(":") }, said);
      };
      return h(
        "form",
        { onsubmit: add },
        h(
          "datalist",
          { id: "protocols" },
          [...new Set(this.data.vocabulary.protocols.map(([, name]) => name))].map((name) => h("option", { value: name })),
        ),
        field("Fault", choice),
        about,
        h(
          "div",
          { class: "fields" },
          field("Protocol", parts.proto, "name, ID or Qot_Get*"),
          field("Probability", parts.p, "0 to 1"),
          field("Only the n-th", parts.n),
          field("Every n-th", parts.every),
          field("Only client", parts.client, "its number"),
          field("Milliseconds", parts.ms, "delay, jitter, reorder, merge"),
          field("Error's retType", parts.ret_type, "refuse"),
          field("Error's errCode", parts.err_code, "refuse"),
          field("Error's text", parts.ret_msg, "refuse"),
        ),
        h("button", { type: "submit" }, "Add fault"),
        said,
      );
    }

    // All verbs, a form each.
    #verbs(state) {
      const absent = [...(state.market ? [] : ["market", "orders", "clock"]), ...(state.limits ? [] : ["limits"])];
      const groups = new Map();
      for (const [path, { post }] of Object.entries(this.description.paths)) {
        const group = post?.tags[0];
        if (!post || absent.includes(group)) continue;
        if (!groups.has(group)) groups.set(group, []);
        groups.get(group).push(this.#verb(path.slice(VERB.length).replace("/", "."), post));
      }
      const abouts = new Map(this.description.tags.map(({ name, description }) => [name, description]));
      return [...groups].map(([name, verbs]) =>
        h(
          "details",
          { class: "group" },
          h("summary", {}, h("strong", {}, name), " ", h("span", { class: "muted" }, prose(abouts.get(name) ?? "All of it at once."))),
          verbs,
        ),
      );
    }

    #verb(verb, { summary, description, requestBody }) {
      const { properties, required = [] } = requestBody.content["application/json"].schema;
      const said = h("p", { class: "said", role: "status" });
      const inputs = Object.entries(properties).map(([name, rule]) => {
        const kind = [rule.type].flat()[0];
        const isNumber = kind === "integer" || kind === "number";
        const element = rule.enum
          ? h("select", { name }, rule.enum.map((each) => h("option", {}, each)))
          : h("input", {
              name,
              type: kind === "boolean" ? "checkbox" : "text",
              inputmode: isNumber ? "decimal" : null,
              placeholder: rule.default ?? null,
              autocomplete: "off",
              spellcheck: "false",
              list: name === "protocol" ? "protocols" : null,
            });
        const value = () => {
          if (kind === "boolean") return element.checked;
          const text = element.value.trim();
          if (!text) return undefined; // as if it were not given
          return isNumber && Number.isFinite(Number(text)) ? Number(text) : text;
        };
        return { name, rule, element, value };
      });
      const submit = async (event) => {
        event.preventDefault();
        await this.call(verb, Object.fromEntries(inputs.map(({ name, value }) => [name, value()])), said);
      };
      return h(
        "form",
        { class: "verb", onsubmit: submit, "aria-label": verb },
        h("h3", { class: "mono" }, verb),
        h("p", { class: "muted" }, prose(description ? `${summary} ${description}` : summary)),
        h(
          "div",
          { class: "fields" },
          inputs.map(({ name, rule, element }) =>
            field(required.includes(name) ? name : `${name} (optional)`, element, rule.description),
          ),
        ),
        h("button", { type: "submit" }, "Call"),
        said,
      );
    }
  }

  ftwire.Control = Control;
}
