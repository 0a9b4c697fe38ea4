"use strict";
// The page while its session grows: it fetches the rows that it lacks, can be paused, cleared and saved, and connects
// again when the connection is lost.
{
  const { h, plural } = ftwire;
  const element = (id) => document.getElementById(id);
  const RETRY = 1000; // milliseconds between two attempts to connect
  const LOST = 12_000; // milliseconds without an event after which a connection is lost: they come every 4 s
  const SENT = 10_000; // milliseconds that a reply to a request sent again may take to appear
  const OVERVIEW = 3000; // milliseconds between two looks at the overview
  const utf8 = new TextDecoder();

  class Live {
    constructor() {
      Object.assign(this, { isPaused: false, follows: true, news: null, isBusy: false, isLost: false, drawnAt: 0 });
    }

    async load() {
      const [overview, vocabulary] = await Promise.all([this.#json("overview"), this.#json("vocabulary")]);
      this.run = overview.run;
      const { about, columns } = await this.#table(0);
      overview.session.listed = about.columns.rows;
      return {
        about: overview.about,
        session: overview.session,
        vocabulary,
        table: new ftwire.Table(about.columns, columns.buffer, about.conversations, columns.at),
        bodies: new ftwire.Bodies(about.chunks, async (name) =>
          (await this.#fetch(`chunk?run=${this.run}&number=${name.slice("chunk-".length)}`)).arrayBuffer(),
        ),
      };
    }

    begin(data, frames, drawing) {
      Object.assign(this, { data, frames, ...drawing });
      this.state = h("span", { class: "live-state", role: "status" });
      this.pause = h("button", { type: "button", onclick: () => this.setPaused(!this.isPaused) }, "Pause");
      this.follow = h("button", { type: "button", onclick: () => this.setFollows(!this.follows) }, "Follow");
      this.clear = h("button", { type: "button", onclick: () => this.#clear() }, "Clear");
      this.save = h("button", { type: "button", onclick: () => this.#save() }, "Save as capture");
      this.result = h("p", { class: "live-result", role: "status", hidden: true });
      this.dismiss = h(
        "button",
        {
          type: "button",
          class: "quiet",
          "aria-label": "Dismiss",
          onclick: () => {
            this.result.hidden = true;
          },
        },
        "✕",
      );
      element("live").append(this.state, this.pause, this.follow, this.clear, this.save, this.result);
      element("live").hidden = false;
      frames.onscroll = () => this.setFollows(frames.isAtEnd, false);
      for (const name of ["paused", "follows"]) this.#draw(name);
      setInterval(() => this.#look(), 500);
      addEventListener("hashchange", () => {
        this.drawnAt = 0;
        this.#look();
      });
      this.shown();
      this.#connect();
    }

    // The connection.

    #connect() {
      this.events?.close();
      this.heard = performance.now();
      this.events = new EventSource("events");
      this.events.onmessage = (event) => {
        this.heard = performance.now();
        this.isLost = false;
        this.news = JSON.parse(event.data);
        if (this.news.run !== this.run) location.reload();
        else this.#update();
      };
      this.events.onerror = () => this.#lost();
    }

    #lost() {
      this.isLost = true;
      this.events.close();
      this.#say();
      clearTimeout(this.retry);
      this.retry = setTimeout(() => this.#connect(), RETRY);
    }

    #look() {
      if (!this.isLost && performance.now() - this.heard > LOST) this.#lost();
      const { data } = this;
      const isShown = !element("overview").hidden && !document.hidden;
      const isOld = performance.now() - this.drawnAt > OVERVIEW && this.news && this.news.frames !== this.drawnFrames;
      if (!isShown || !isOld || this.isPaused || this.isLost) return;
      // What is being used is not taken away.
      const used = element("overview").contains(document.activeElement) || !getSelection().isCollapsed;
      if (used && data.session.frames && this.drawnAt) return;
      this.#overview();
    }

    async #overview() {
      this.drawnAt = performance.now();
      this.drawnFrames = this.news.frames;
      let overview = null;
      try {
        overview = await this.#json("overview");
      } catch {
        this.drawnFrames = -1;
        return; // The connection is lost, which is noticed elsewhere.
      }
      if (overview.run !== this.run) return;
      const listed = this.data.table.rows;
      Object.assign(this.data.session, overview.session, { listed });
      const place = document.scrollingElement.scrollTop;
      this.drawOverview();
      document.scrollingElement.scrollTop = place;
    }

    // The rows.

    async #update() {
      this.#say();
      if (this.isBusy || this.isPaused || this.news.rows <= this.data.table.rows) return;
      this.isBusy = true;
      try {
        const { table, bodies, session } = this.data;
        const known = table.rows;
        const { about, columns } = await this.#table(known);
        bodies.firsts = about.chunks;
        const answered = table.append(about.columns, columns.buffer, about.conversations, columns.at);
        session.listed = table.rows;
        session.frames = about.frames;
        const [first, last] = [table.time(0), table.time(table.rows - 1)];
        if (session.first === "0" && first !== null) session.first = String(first);
        if (last !== null && last > BigInt(session.last)) session.last = String(last);
        this.drawTop();
        await this.frames.grow(answered);
        this.#findSent(known);
        if (this.follows) this.#toEnd();
      } catch (error) {
        if (!(error instanceof TypeError) && !error.isHttp) throw error; // TypeError: there is no connection
      } finally {
        this.isBusy = false;
        this.#say();
      }
    }

    async #table(first) {
      const buffer = await (await this.#fetch(`table?run=${this.run}&first=${first}`)).arrayBuffer();
      const length = Number(new DataView(buffer).getBigUint64(0, true));
      const about = JSON.parse(utf8.decode(new Uint8Array(buffer, 8, length)));
      return { about, columns: { buffer, at: 8 + length } };
    }

    async #json(name) {
      return (await this.#fetch(name)).json();
    }

    get(name) {
      return this.#json(name);
    }

    async post(name, content) {
      const body = JSON.stringify(content);
      return (await this.#fetch(name, { method: "POST", headers: { "Content-Type": "application/json" }, body })).json();
    }

    async #fetch(name, options = {}) {
      const response = await fetch(name, options);
      if (response.ok) return response;
      const { error } = await response.json();
      throw Object.assign(new Error(error), { isHttp: true });
    }

    // What the user does.

    setPaused(isPaused) {
      this.isPaused = isPaused;
      this.#draw("paused");
      if (this.news) this.#update();
    }

    setFollows(follows, scrolls = true) {
      this.follows = follows;
      this.#draw("follows");
      if (follows && scrolls) this.#toEnd();
    }

    // Take note that the list has come into sight.
    shown() {
      if (this.frames && this.follows) this.#toEnd();
    }

    #toEnd() {
      this.frames.list.scrollTop = this.frames.list.scrollHeight;
    }

    async #clear() {
      await this.#try("cleared", async () => {
        await this.post("clear", {});
      });
    }

    async #save() {
      await this.#try("saved", async () => {
        const response = await this.#fetch("save", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ frames: this.#ranges() }),
        });
        ftwire.download(await response.blob(), "session.pcapng");
      });
    }

    // Send a request again; a link to the reply is shown when it is in the list.
    async send(number) {
      this.sent = null;
      this.#note(`Sending frame ${number} again…`);
      try {
        const sent = await this.post("send", { frame: number });
        this.sent = { ...sent, number, until: performance.now() + SENT };
        this.#note(this.#answer());
        this.#findSent(Math.max(this.data.table.rows - 200, 0));
      } catch (error) {
        this.#note(`Frame ${number} was not sent again: ${error.message}`, true);
      }
    }

    #answer() {
      const { number, proto, latency_ns: latency, ret_type: type } = this.sent;
      const failed = type ? `, retType ${type}` : "";
      return `Frame ${number} was sent again: ${proto} answered in ${ftwire.span(BigInt(latency))}${failed}`;
    }

    // Look for the reply among the rows from `first` on: serials of one protocol repeat, the last is meant.
    #findSent(first) {
      const { sent, data } = this;
      if (!sent) return;
      if (performance.now() > sent.until) this.sent = null;
      const { table } = data;
      for (let row = table.rows - 1; row >= first; row--) {
        const isIt =
          table.column("proto_id")[row] === sent.proto_id &&
          table.column("serial")[row] === BigInt(sent.serial) &&
          table.kind(row) === "response";
        if (!isIt) continue;
        const reply = table.column("number")[row];
        this.#note([`${this.#answer()}, `, h("a", { href: `#frame-${reply}` }, `frame ${reply}`)]);
        this.sent = null;
        return;
      }
    }

    #note(content, isBad = false) {
      this.result.replaceChildren(...[content].flat(), " ", this.dismiss);
      this.result.classList.toggle("bad-text", isBad);
      this.result.hidden = false;
    }

    async #try(done, action) {
      this.note = null;
      try {
        await action();
      } catch (error) {
        this.note = `It could not be ${done}: ${error.message}`;
      }
      this.#say();
    }

    // Numbers of the frames that are listed, first and last of each row of consecutive ones.
    #ranges() {
      const { frames, data } = this;
      const numbers = data.table.column("number");
      const ranges = [];
      for (let index = 0; index < frames.length; index++) {
        const number = numbers[frames.rowAt(index)];
        const last = ranges.at(-1);
        if (last && last[1] + 1 === number) last[1] = number;
        else ranges.push([number, number]);
      }
      return ranges;
    }

    #draw(name) {
      if (name === "paused") {
        this.pause.setAttribute("aria-pressed", String(this.isPaused));
      } else this.follow.setAttribute("aria-pressed", String(this.follows));
    }

    #say() {
      const { news, data } = this;
      let text = "Connecting…";
      if (this.note) text = this.note;
      else if (this.isLost) text = "The connection is lost. Connecting again…";
      else if (news) {
        const waiting = news.rows - data.table.rows;
        const state = { reading: "Reading", following: "Live", ended: "The capture has ended" }[news.state];
        if (this.isPaused) text = waiting > 0 ? `Paused, ${plural(waiting, "new frame")}` : "Paused";
        else if (news.frames > news.rows) text = `${state}. The list is full: clear it to see new frames`;
        else text = state;
      }
      if (this.state.textContent !== text) this.state.textContent = text;
      this.state.classList.toggle("bad-text", Boolean(this.isLost || this.note));
      this.state.dataset.state = this.isLost ? "lost" : this.isPaused ? "paused" : (news?.state ?? "connecting");
    }
  }

  ftwire.live = new Live();
}
