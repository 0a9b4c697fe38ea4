// What the programs beside this one do with Chromium: open a page, filter its frames, look for faults in it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

// Starts Chromium from its path, with the playwright-core of a peer's folder; `faults(page)` lists what axe calls serious
// or critical in a page. Axe is run by the debugger, past the page's policy.
export async function launch({ modules, chromium: executablePath }) {
  const require = createRequire(join(resolve(modules), "node_modules", "any.js"));
  const { chromium } = require("playwright-core");
  const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
  const faults = async (page) => {
    await page.evaluate(axe);
    const { violations } = await page.evaluate("axe.run()");
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
  };
  return { browser: await chromium.launch({ executablePath, args: ["--no-sandbox"] }), faults };
}

// Lists the frames that match, and returns what the page says of them.
export async function filter(page, expression, options = {}) {
  await page.fill("#filter", expression);
  await page.press("#filter", "Enter");
  await page.waitForSelector(".list:not([aria-busy])", options);
  return page.textContent("#filter-note");
}

// Opens the live page that the arguments name. `errors` are those on its console that `isExpected` does not know,
// `elsewhere` are requests to other places. `step(seen)` prints an object, and waits for a line.
export async function openLive({ name, height, isExpected }) {
  const { values } = parseArgs({
    options: {
      modules: { type: "string" },
      chromium: { type: "string" },
      url: { type: "string" },
      save: { type: "string" },
      shots: { type: "string" },
    },
  });
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const step = async (seen) => {
    process.stdout.write(`${JSON.stringify(seen)}\n`);
    await lines.next();
  };
  const { browser, faults } = await launch(values);
  const context = await browser.newContext({ viewport: { width: 1360, height }, colorScheme: "light" });
  const page = await context.newPage();
  const errors = [];
  const elsewhere = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !isExpected.test(message.text())) errors.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(values.url) && !request.url().startsWith("blob:")) elsewhere.push(request.url());
  });
  const shot = (what) => values.shots && page.screenshot({ path: join(values.shots, `${name}-${what}.png`) });
  await page.goto(values.url);
  await page.waitForSelector("html[data-ready]", { state: "attached" });
  return { browser, page, values, errors, elsewhere, step, shot, faults: () => faults(page) };
}
