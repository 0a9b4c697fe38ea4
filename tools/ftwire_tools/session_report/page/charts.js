"use strict";
// Charts, drawn by uPlot in the colours of the page.
{
  const charts = new Set();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC");

  // A chart that follows the width of its place and the theme. `make(colour, width)` returns uPlot's options and data,
  // or null where there is nothing to draw.
  ftwire.chart = (label, make) => {
    const place = ftwire.h("div", { class: "chart", role: "img", "aria-label": label });
    let plot = null;
    let drawn = 0;
    const draw = () => {
      const width = Math.floor(place.clientWidth);
      if (!width) return;
      plot?.destroy();
      plot = null;
      drawn = width;
      const made = make(colour, width);
      if (made) plot = new uPlot({ width, tzDate: utc, ...made.options }, made.data, place);
    };
    new ResizeObserver(() => {
      if (place.clientWidth && Math.abs(place.clientWidth - drawn) > 1) draw();
    }).observe(place);
    charts.add(draw);
    return { place, draw, plot: () => plot };
  };
  ftwire.forgetCharts = () => charts.clear();
  ftwire.redrawCharts = () => charts.forEach((draw) => draw());

  ftwire.axes = (colour) => {
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return {
      stroke: colour("muted"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { stroke: colour("line"), width: 1 },
      font,
    };
  };
  ftwire.faded = (text, share) => {
    const found = /^#([0-9a-f]{6})$/i.exec(text);
    return found
      ? `#${found[1]}${Math.round(share * 255)
          .toString(16)
          .padStart(2, "0")}`
      : text;
  };
}
