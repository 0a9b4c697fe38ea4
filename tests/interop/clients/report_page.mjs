// Opens a report in Chromium and uses it as a person would; prints what was seen as one JSON object.
//
//   node report_page.mjs --modules PEER --chromium PATH --page FILE [--shots FOLDER] [--scroll]

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { filter, launch } from "./browser.mjs";

const { values } = parseArgs({
  options: {
    modules: { type: "string" },
    chromium: { type: "string" },
    page: { type: "string" },
    shots: { type: "string" },
    scroll: { type: "boolean" },
  },
});
const address = pathToFileURL(values.page).href;

const { browser, faults: faultsOf } = await launch(values);
const seen = { errors: [], requests: [], dialogs: [], faults: {}, wide: {} };

async function open(size, options = {}) {
  const context = await browser.newContext({ viewport: size, ...options });
  const page = await context.newPage();
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("request", (request) => /^(file|blob):/.test(request.url()) || seen.requests.push(request.url()));
  page.on("dialog", (dialog) => {
    seen.dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  return page;
}
const ready = (page) => page.waitForSelector("html[data-ready]", { state: "attached", timeout: 60_000 });
const filtered = (page, expression) => filter(page, expression, { timeout: 60_000 });
const faults = async (page, name) => {
  seen.faults[name] = await faultsOf(page);
};
const shot = (page, name) => values.shots && page.screenshot({ path: join(values.shots, `${name}.png`) });
// How far the content of the page sticks out at its side, in pixels.
const sticksOut = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const page = await open({ width: 1360, height: 900 }, { colorScheme: "light" });
await page.goto(address);
await ready(page);
if (values.scroll) {
  // A large list: opened, scrolled from end to end, and filtered.
  await page.keyboard.press("f");
  seen.pushes = await filtered(page, "kind == push");
  seen.body = await filtered(page, "rtList.price > 0 and kind == push");
  await filtered(page, "");
  const scrolled = await page.evaluate(async () => {
    const list = document.querySelector(".list");
    const rows = new Set();
    let most = 0;
    let slowest = 0;
    for (let step = 0; step <= 200; step++) {
      const before = performance.now();
      list.scrollTop = ((list.scrollHeight - list.clientHeight) * step) / 200;
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      slowest = Math.max(slowest, performance.now() - before);
      const shown = [...document.querySelectorAll(".row")];
      most = Math.max(most, shown.length);
      const box = list.getBoundingClientRect();
      const inSight = shown.filter(
        (row) => row.getBoundingClientRect().bottom > box.top && row.getBoundingClientRect().top < box.bottom,
      );
      if (inSight.length < Math.floor(box.height / 26) - 2) return { hole: step };
      rows.add(inSight[0].querySelector(".row-number").textContent);
    }
    const last = document.querySelector(".row:last-child .row-number").textContent;
    return { places: rows.size, most, slowest, last };
  });
  seen.scrolled = scrolled;
  await browser.close();
  process.stdout.write(JSON.stringify(seen));
  process.exit();
}

seen.title = await page.textContent("#title");
seen.panels = await page.$$eval("#overview h2", (found) => found.map((each) => each.textContent));
seen.tiles = Object.fromEntries(
  await page.$$eval(".tile", (found) =>
    found.map((each) => [...each.children].slice(0, 2).map((part) => part.textContent)),
  ),
);
await shot(page, "overview");
await faults(page, "overview, light");
const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
seen.themes = [await ground()];
for (let turn = 0; turn < 2; turn++) {
  await page.click("#theme");
  seen.themes.push(await ground());
}
await faults(page, "overview, dark");
await shot(page, "overview-dark");

// A part of the timeline, chosen with the mouse, and the frames of it.
await page.locator("#panel-timeline .u-over").scrollIntoViewIfNeeded();
const area = await page.locator("#panel-timeline .u-over").boundingBox();
await page.mouse.move(area.x, area.y + 40);
await page.mouse.down();
await page.mouse.move(area.x + area.width / 2, area.y + 50, { steps: 4 });
await page.mouse.up();
await page.click("text=Show these frames");
await page.waitForSelector(".list:not([aria-busy])");
seen.part = [await page.inputValue("#filter"), await page.textContent("#filter-note")];
await page.goBack();
await page.click("text=Whole session");

// The list, with the keyboard alone.
await page.keyboard.press("f");
await page.keyboard.press("j");
await page.keyboard.press("j");
seen.selected = await page.getAttribute('[aria-selected="true"]', "aria-rowindex");
await page.keyboard.press("Enter");
await page.waitForSelector(".card");
seen.cards = await page.$$eval(".card", (found) => found.map((each) => each.getAttribute("aria-label")));
await faults(page, "frame, dark");
await shot(page, "frame-dark");
await page.click("#theme");
await faults(page, "frame, light");
await page.keyboard.press("Escape");
seen.closed = await page.isHidden(".details");
await page.keyboard.press("/");
seen.focus = await page.evaluate(() => document.activeElement.id);

// Filters, right and wrong.
seen.pushes = await filtered(page, "kind == push");
seen.wrong = await filtered(page, "kind == ");
seen.wrongIsSaid = await page.getAttribute("#filter", "aria-invalid");
seen.body = await filtered(page, "rtList.price > 0 and kind == push");
const [exported] = await Promise.all([page.waitForEvent("download"), page.click('button:text-is("Export")')]);
const lines = readFileSync(await exported.path(), "utf8").trimEnd().split("\n");
seen.exported = lines.map((line) => JSON.parse(line)).map(({ proto, kind }) => `${proto} ${kind}`);
seen.none = await filtered(page, "number == 0");
seen.empty = await page.textContent(".nothing");

// A field, and its bytes.
await filtered(page, "s2c.rtList and kind == push");
await page.keyboard.press("Escape");
await page.keyboard.press("j");
await page.keyboard.press("Enter");
const field = page.locator('.card.is-chosen [role="treeitem"] > .node', { hasText: /^price:/ }).first();
await field.click();
seen.field = await field.textContent();
seen.marked = (
  await page.$$eval(".card.is-chosen mark[data-at]", (found) => found.map((each) => each.textContent.trim()))
).join("");
await page.locator(".card.is-chosen mark[data-at]").first().click();
seen.picked = await page.textContent('.card.is-chosen [aria-selected="true"] > .node');
await page.click('.details-bar button:has-text("JSON")');
seen.json = JSON.parse(await page.textContent(".card.is-chosen .json"));
await page.keyboard.press("Escape");

// On paper: light, and without the list.
await page.keyboard.press("o");
await page.emulateMedia({ media: "print", colorScheme: "dark" });
seen.paper = [await ground(), await page.isVisible("#frames"), await page.isVisible(".jump")];
seen.printed = await page.$$eval(".panel-tools select", (found) =>
  found.filter((each) => each.checkVisibility()).map((each) => each.selectedOptions[0].textContent),
);
await shot(page, "paper");

// Half a screen, or a page at twice its size: no column of the list is out of sight, and no time is cut off.
const half = await open({ width: 700, height: 800 }, { colorScheme: "light" });
await half.goto(`${address}#frames`);
await half.waitForSelector(".row");
seen.wide.half = await half.$eval(".list", (list) => list.scrollWidth - list.clientWidth);
seen.cutTimes = await half.$$eval(".row-time", (found) =>
  found.filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.textContent),
);
await shot(half, "frames-half");

// A narrow window: a telephone.
const narrow = await open({ width: 400, height: 800 }, { colorScheme: "light", hasTouch: true });
await narrow.goto(address);
await ready(narrow);
seen.wide.overview = await sticksOut(narrow);
await faults(narrow, "overview, narrow");
await shot(narrow, "overview-narrow");
await narrow.click("#to-frames");
seen.wide.frames = await sticksOut(narrow);
seen.wide.list = await narrow.$eval(".list", (list) => list.scrollWidth - list.clientWidth);
await shot(narrow, "frames-narrow");
await filtered(narrow, "number == 0");
await faults(narrow, "no frame, narrow");
await filtered(narrow, "");
await narrow.click(".row >> nth=1");
await narrow.waitForSelector(".card");
seen.wide.frame = await sticksOut(narrow);
await faults(narrow, "frame, narrow");
await shot(narrow, "frame-narrow");

// What a capture could have put into the page.
seen.made = await page.evaluate(
  () => document.querySelectorAll("img, iframe, object, embed, base, link, form[action]").length,
);
seen.ran = await page.evaluate(() => Boolean(globalThis.pwned));

await browser.close();
process.stdout.write(JSON.stringify(seen));
