// Drives a vendor's JavaScript SDK in a circle: a client, some calls, closed, and another, until somebody ends it.
//
// Runs with the peer's node_modules beside it (see tests/interop/peers.py):
//   node node_again.mjs --package futu-api --modules DIR --port 33333 [--survive] [--times N]
//
// What calls answer is not looked at: this is for `ftwire fuzz client --ws`, which watches the wire. An exception that
// nobody catches ends Node.js; with --survive it is said and the circle goes on, as a browser would. A call that is
// neither answered nor failed after PATIENCE, when the SDK's own limit is 5 seconds, is said too.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    package: { type: "string", default: "futu-api" },
    modules: { type: "string" },
    port: { type: "string", default: "33333" },
    key: { type: "string", default: "" },
    survive: { type: "boolean", default: false },
    times: { type: "string", default: "0" },
  },
});

const PATIENCE = 9000;
const LOGIN = 25000; // the SDK's own limit is 20 seconds
const say = (...words) => console.error(...words);
for (const level of ["log", "debug", "info"]) console[level] = () => {};

if (options.survive) {
  process.on("uncaughtException", (error) => say("uncaught:", String(error.stack).split("\n").slice(0, 3).join(" | ")));
  process.on("unhandledRejection", (error) => say("unhandled:", String(error)));
}

const from = createRequire(path.join(path.resolve(options.modules ?? "."), "package.json"));
globalThis.WebSocket = from("ws").WebSocket;
const { default: Client } = await import(pathToFileURL(from.resolve(options.package)).href);

const security = { market: 1, code: "00700" };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const within = (ms, promise, name) => {
  let timer;
  const patience = new Promise((resolve) => (timer = setTimeout(() => resolve(say("never settled:", name)), ms)));
  return Promise.race([promise, patience]).finally(() => clearTimeout(timer));
};

const call = async (client, name, c2s) => {
  try {
    await within(PATIENCE, client[name]({ c2s }), name);
  } catch (error) {
    say("call failed:", name, typeof error === "object" ? JSON.stringify(error) : String(error));
  }
};

const circle = async () => {
  const client = new Client();
  client.onPush = () => {};
  let done;
  const loggedIn = new Promise((resolve) => (done = resolve));
  client.onlogin = (ok, answer) => done(ok || say("login failed:", String(answer)));
  client.start("127.0.0.1", Number(options.port), false, options.key);
  if (await within(LOGIN, loggedIn, "login")) {
    await call(client, "Sub", {
      securityList: [security],
      subTypeList: [5, 1],
      isSubOrUnSub: true,
      isRegOrUnRegPush: true,
      isFirstPush: true,
    });
    await call(client, "GetRT", { security });
    await call(client, "GetBasicQot", { securityList: [security] });
    await call(client, "GetGlobalState", { userID: 1 });
    await call(client, "GetRT", { security });
    await pause(200);
  }
  client.stop();
  client.websock.close(); // stop() only forgets the handlers
};

for (let turn = 0; !Number(options.times) || turn < Number(options.times); turn += 1) {
  await circle();
  await pause(50);
}
process.exit(0);
