// Opens the live page of a gateway or a proxy that runs and uses it as a person would; prints what was seen as one
// JSON object a step. After each step it waits for a line: by then clients have done something.
//
//   node beside_page.mjs --modules PEER --chromium PATH --url URL --save FILE [--shots FOLDER]

import { filter, openLive } from "./browser.mjs";

// Chromium says so itself where a request is refused: 422 on purpose here, and 409 where rows were asked for right
// before the list was cleared, which the page does again.
const live = await openLive({ name: "beside", height: 800, isExpected: /status of (409|422)/ });
const { browser, page, values, errors, elsewhere, step, shot, faults } = live;
page.setDefaultTimeout(20_000);
const says = (selector, wanted) =>
  page.waitForFunction(
    ([where, what]) => new RegExp(what).test(document.querySelector(where)?.textContent ?? ""),
    [selector, wanted],
  );
const filtered = (expression) => filter(page, expression);
const openRequest = async (protocol) => {
  await filtered(`proto == ${protocol} and kind == request`);
  await page.click(".row");
  await page.waitForSelector(".card");
};

await step({ title: await page.textContent("#title") });

// A client has come: one of its requests is sent again, and the reply is opened.
await page.keyboard.press("f");
await says("#frame-count", "[1-9]");
await filtered("proto == Trd_PlaceOrder and kind == response");
await page.waitForSelector(".row");
await openRequest("Trd_GetAccList");
await page.click(".again");
await says(".live-result", "was sent again: Trd_GetAccList answered in .*, frame \\d+");
const sent = await page.getAttribute(".live-result a", "href");
await page.click(".live-result a");
await page.waitForFunction(() => document.querySelector(".card.is-chosen .response") !== null);
await shot("again");
const reply = await page.textContent(".card.is-chosen h3");
// One that trades is not.
await openRequest("Trd_PlaceOrder");
await page.keyboard.press("s");
await says(".live-result", "was not sent again");
const refused = await page.textContent(".live-result");
await page.keyboard.press("Escape");

// What is shown is exported, and saved as a capture.
await filtered("kind == response");
const rows = Number(await page.getAttribute(".list", "aria-rowcount")) - 1;
const [exported] = await Promise.all([page.waitForEvent("download"), page.click('button:text-is("Export")')]);
await exported.saveAs(values.save);
const [saved] = await Promise.all([page.waitForEvent("download"), page.click("text=Save as capture")]);
await saved.saveAs(`${values.save}.pcapng`);
await filtered("");
await step({
  sent: sent.startsWith("#frame-"),
  reply: /^response \d+ Trd_GetAccList$/.test(reply),
  refused: refused.replace(/\d+/, "N").trim(),
  rows,
  names: [exported.suggestedFilename(), saved.suggestedFilename()],
  faults: await faults(),
});

// A fault is added, one that makes no sense is refused, and the first is removed.
await page.click("#to-control");
await page.waitForSelector("#panel-active");
const active = await page.textContent(".active-facts");
await page.selectOption("select[name=fault]", "refuse");
await page.fill("input[name=proto]", "Trd_GetAccList");
await page.fill("input[name=ret_msg]", "not now, <b>later</b>");
await page.click('button:text-is("Add fault")');
await page.waitForSelector(".active code");
const rule = await page.textContent(".active code");
await page.fill("input[name=p]", "2");
await page.click('button:text-is("Add fault")');
await says("#panel-fault .said", "p is 0 to 1");
await shot("control");
const controlFaults = await faults();
await step({ active: /Faults\s*none/.test(active), rule, faults: controlFaults });

await page.click(`button[aria-label="Remove ${rule}"]`);
await page.waitForFunction(() => document.querySelector(".active code") === null);
// A verb with an argument, by its form.
await page.click("summary:has-text('notices')");
await page.selectOption('form[aria-label="notices.send_event"] select', "KickedOut");
await page.click('form[aria-label="notices.send_event"] button');
await says('form[aria-label="notices.send_event"] .said', "notices.send_event: done");
const groups = await page.$$eval(".group strong", (found) => found.map((each) => each.textContent));
await page.setViewportSize({ width: 390, height: 800 });
await shot("narrow");
const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
await page.setViewportSize({ width: 1360, height: 800 });

// Paused, and cleared.
await page.click('#live button:text("Pause")');
await says(".live-state", "Paused");
await page.click('#live button:text("Pause")');
await page.click('#live button:text("Clear")');
await page.waitForFunction(() => document.querySelector("#frame-count")?.textContent === "0");
await step({ groups, wide, errors, elsewhere });
await browser.close();
process.exit();
