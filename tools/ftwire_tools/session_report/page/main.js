"use strict";
// Opens the page: data, views by address, keys, and the theme.
{
  const { h, count, plural, span, day, clock } = ftwire;
  const element = (id) => document.getElementById(id);
  const THEMES = ["system", "light", "dark"];

  const start = async () => {
    const data = await (ftwire.live ?? ftwire).load();
    const { session, about } = data;
    const frames = new ftwire.Frames(data);
    if (about.sends) {
      ftwire.live.control = new ftwire.Control(ftwire.live, data);
      frames.onsend = (number) => ftwire.live.send(number);
      element("to-control").hidden = false;
      for (const each of document.querySelectorAll(".only-beside")) each.hidden = false;
    }
    const drawTop = () => {
      element("frame-count").textContent = count(session.listed);
      element("subtitle").textContent = subtitle(session, about);
    };
    drawTop();
    element("loading").hidden = true;
    frames.draw(element("frames"));
    let isDrawn = false;
    const drawOverview = () => {
      ftwire.forgetCharts();
      new ftwire.Overview(data).draw(element("overview"));
      drawTop();
      isDrawn = true;
    };

    const show = (name) => {
      for (const each of ["overview", "frames", "control"]) {
        element(each).hidden = each !== name;
        if (each === name) element(`to-${each}`).setAttribute("aria-current", "page");
        else element(`to-${each}`).removeAttribute("aria-current");
      }
      if (name === "overview" && !isDrawn) drawOverview();
      if (name === "control") ftwire.live.control.draw(element("control"));
      if (name === "frames") {
        fit();
        frames.refresh();
        ftwire.live?.shown();
      }
    };
    const fit = () =>
      document.documentElement.style.setProperty("--top-height", `${document.querySelector(".top").offsetHeight}px`);
    addEventListener("resize", fit);

    // #overview, #frames, #frames?FILTER, #frame-NUMBER
    const route = async () => {
      const hash = location.hash.slice(1);
      const number = /^frame-(\d+)$/.exec(hash);
      if (number) {
        show("frames");
        const row = data.table.rowOf(Number(number[1]));
        if (row < 0) {
          frames.note.textContent = `Frame ${number[1]} is not in the list.`;
          return;
        }
        if (frames.indexOf(row) < 0) await frames.apply("");
        if (frames.openRow !== row) await frames.open(row);
      } else if (hash.startsWith("frames?")) {
        show("frames");
        let filter = "";
        try {
          filter = decodeURIComponent(hash.slice("frames?".length));
        } catch {
          // Not made by this page.
        }
        if (frames.filter !== filter) await frames.apply(filter);
      } else if (hash === "control" && about.sends) show("control");
      else show(hash === "frames" ? "frames" : "overview");
    };
    addEventListener("hashchange", route);
    const address = (hash) => history.replaceState(null, "", `#${hash}`);
    frames.onfilter = (filter) => address(filter ? `frames?${encodeURIComponent(filter)}` : "frames");
    frames.onopen = (number) => {
      if (number !== null) address(`frame-${number}`);
      else frames.onfilter(frames.filter);
    };

    const help = element("help");
    element("help-open").addEventListener("click", () => help.showModal());
    const keys = {
      j: () => frames.move(1),
      k: () => frames.move(-1),
      g: () => frames.move(-Infinity),
      G: () => frames.move(Infinity),
      r: () => {
        const pair = frames.chosen < 0 ? -1 : frames.pairOf(frames.chosen);
        if (pair >= 0) frames.choose(pair);
      },
      Enter: () => {
        if (frames.chosen >= 0) frames.open(frames.chosen);
      },
      Escape: () => frames.close(),
      s: () => frames.sendAgain(frames.chosen),
    };
    addEventListener("keydown", (event) => {
      const target = event.target instanceof Element ? event.target : document.body;
      if (event.ctrlKey || event.metaKey || event.altKey || help.open || target.closest("input, select, textarea"))
        return;
      if (event.key === "Enter" && target.closest("a, button, summary, [role=treeitem]")) return;
      if (event.key === "c" && about.sends) location.hash = "control";
      if (event.key === "/" || event.key === "f" || event.key === "o" || event.key === "?") {
        event.preventDefault();
        if (event.key === "?") help.showModal();
        else if (event.key === "o") location.hash = "overview";
        else {
          if (element("frames").hidden) {
            show("frames");
            address("frames");
          }
          if (event.key === "/") frames.input.select();
          else frames.list.focus();
        }
        return;
      }
      if (!element("frames").hidden && event.key in keys) {
        event.preventDefault();
        keys[event.key]();
      }
    });

    await route();
    // Paper has no list of frames.
    addEventListener("beforeprint", () => {
      if (!isDrawn) drawOverview();
    });
    ftwire.live?.begin(data, frames, { drawTop, drawOverview });
    document.documentElement.dataset.ready = "true";
  };

  const subtitle = (session, about) => {
    const parts = [];
    if (session.first !== "0") {
      const [first, last] = [BigInt(session.first), BigInt(session.last)];
      const until = day(first) === day(last) ? clock(last, 0) : `${day(last)} ${clock(last, 0)}`;
      parts.push(`${day(first)} ${clock(first, 0)} – ${until} UTC`, span(last - first));
    }
    parts.push(plural(session.frames, "frame"));
    if (about.title !== about.inputs.join(", ")) parts.push(about.inputs.slice(0, 6).join(", "));
    return parts.join(" · ");
  };

  // The theme: the system's, or one that is kept as long as the page is open; a file may not have storage.
  const setTheme = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    element("theme").textContent = `Theme: ${theme}`;
    ftwire.redrawCharts();
  };
  let theme = 0;
  element("theme").addEventListener("click", () => {
    theme = (theme + 1) % THEMES.length;
    setTheme(THEMES[theme]);
  });
  for (const media of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(media).addEventListener("change", () => ftwire.redrawCharts());
  }

  start().catch((error) => {
    const text = `This page could not be opened: ${error.message}. It needs a browser of 2023 or later.`;
    element("loading").replaceChildren(h("span", { class: "bad-text" }, text));
    throw error;
  });
}
