// Opens a report in Chromium and prints how many milliseconds it took until it could be used, and until a filter on
// bodies had looked at all frames.
//
//   node open_page.mjs PEER CHROMIUM FILE
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [, , modules, executablePath, file] = process.argv;
const require = createRequire(join(resolve(modules), "node_modules", "any.js"));
const browser = await require("playwright-core").chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage();
let start = performance.now();
await page.goto(pathToFileURL(file).href);
await page.waitForSelector("html[data-ready]", { state: "attached", timeout: 120_000 });
const opened = performance.now() - start;
await page.click("#to-frames");
await page.fill("#filter", "ret_type == 0");
start = performance.now();
await page.press("#filter", "Enter");
await page.waitForSelector(".list:not([aria-busy])", { timeout: 120_000 });
const filtered = performance.now() - start;
await browser.close();
process.stdout.write(JSON.stringify({ opened, filtered }));
