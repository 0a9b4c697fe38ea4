// Opens a live view in Chromium and uses it as a person would; prints what was seen as one JSON object a step. After
// each step it waits for a line: by then the session has changed.
//
//   node view_page.mjs --modules PEER --chromium PATH --url URL --save FILE [--shots FOLDER]

import { filter, openLive } from "./browser.mjs";

// Chromium says so itself where a server goes away, and is not there.
const isExpected = /ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET|EMPTY_RESPONSE)|status of 409/;
const live = await openLive({ name: "view", height: 700, isExpected });
const { browser, page, values, errors, elsewhere, step, shot, faults } = live;
const text = (selector) => page.textContent(selector);
const shows = (selector, wanted) =>
  page.waitForFunction(([where, what]) => document.querySelector(where)?.textContent === what, [selector, wanted], {
    timeout: 15_000,
  });
const filtered = (expression) => filter(page, expression);
const lastRow = () => page.$$eval(".row .row-number", (found) => found.at(-1)?.textContent ?? null);
const isAtEnd = () =>
  page.evaluate(() => {
    const list = document.querySelector(".list");
    return list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  });

await shows(".live-state", "Live");
await step({ tiles: await page.$$eval(".tile-value", (found) => found.map((each) => each.textContent)) });

// The overview is drawn again.
await shows(".tile-value", "65");
await shot("overview");
const overviewFaults = await faults();
await page.keyboard.press("f");
await page.waitForFunction(() => [...document.querySelectorAll(".row-number")].at(-1)?.textContent === "65");
await step({ count: await text("#frame-count"), faults: overviewFaults });

// Followed: the last row comes into sight.
await shows("#frame-count", "125");
await page.waitForFunction(() => [...document.querySelectorAll(".row-number")].at(-1)?.textContent === "125");
const followed = { last: await lastRow(), atEnd: await isAtEnd() };
await page.evaluate(() => document.querySelector(".list").scrollTo(0, 0));
await page.waitForFunction(() => document.querySelector('#live [aria-pressed="true"]') === null);
await step(followed);

// Scrolled up, it stays; then a filter, which takes what comes, and lets go what no longer matches.
await shows("#frame-count", "126");
const stayed = await page.evaluate(() => document.querySelector(".list").scrollTop);
const unanswered = await filtered("unanswered");
await step({ stayed, unanswered });
await shows("#filter-note", "0 of 127 frames");
const answered = await text(".nothing");
const body = await filtered("s2c.rtList.price > 0 and kind == push");
await step({ answered, body });
await shows("#filter-note", "123 of 129 frames");
await shot("filtered");
await page.click(".row");
await page.waitForSelector(".card");
const json = await page.textContent(".card");
await page.keyboard.press("Escape");

// Saved: what the filter shows.
const [download] = await Promise.all([page.waitForEvent("download"), page.click("text=Save as capture")]);
await download.saveAs(values.save);
await step({ name: download.suggestedFilename(), json });

// Paused.
await filtered("");
await page.click('#live button:text("Pause")');
await shows(".live-state", "Paused");
await step({ count: await text("#frame-count") });
await shows(".live-state", "Paused, 2 new frames");
const paused = { count: await text("#frame-count"), faults: await faults() };
await shot("paused");
await page.click('#live button:text("Pause")');
await shows("#frame-count", "131");
await step(paused);

// The connection is lost, and comes again.
await shows(".live-state", "The connection is lost. Connecting again…");
await shot("lost");
await step({ count: await text("#frame-count") });
await shows(".live-state", "Live");
await shows("#frame-count", "132");

// Cleared.
await page.setViewportSize({ width: 390, height: 800 });
await page.click('#live button:text("Clear")');
await shows("#frame-count", "0");
await shows(".nothing", "There is no frame yet. They appear here as they come.");
await step({});
await shows("#frame-count", "1");
await page.waitForFunction(() => document.querySelectorAll(".row").length === 1);
await shot("narrow");
const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
await step({ number: await lastRow(), wide, errors, elsewhere, faults: await faults() });
await browser.close();
process.exit();
