// Drives a vendor's JavaScript SDK over WebSocket as its documentation does; prints what it got as JSON lines.
//
// Runs with the peer's node_modules beside it (see tests/interop/peers.py):
//   node node_client.mjs --package futu-api --modules DIR --port 33333 [--key KEY] [--pushes 4]
//
// Events are those of python_client.py: "login", "reply", "push", "error", "closed". Exit status: 0 or 1.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import path from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    package: { type: "string", default: "futu-api" },
    modules: { type: "string" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "33333" },
    key: { type: "string", default: "" },
    ssl: { type: "boolean", default: false },
    codes: { type: "string", default: "US.AAPL,HK.00700" },
    pushes: { type: "string", default: "4" },
    timeout: { type: "string", default: "20" },
  },
});

const MARKETS = { HK: 1, US: 11 };
const SUB_TYPE_RT = 5;

let failed = false;
const line = (event, facts = {}) => process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
const fail = (call, message) => {
  failed = true;
  line("error", { call, message: String(message) });
};
const finish = () => {
  line("closed");
  process.stdout.write("", () => process.exit(failed ? 1 : 0));
};

// The SDK logs to the console; standard output is for our lines.
for (const level of ["log", "debug", "info"]) console[level] = (...words) => console.error(...words);

const from = createRequire(path.join(path.resolve(options.modules ?? "."), "package.json"));
const load = (name) => import(pathToFileURL(from.resolve(name)).href);

// Written for browsers: it takes the global WebSocket.
globalThis.WebSocket = from("ws").WebSocket;
const sdk = await load(options.package);
const Client = sdk.default;

const codes = options.codes.split(",");
const security = (code) => ({ market: MARKETS[code.split(".")[0]], code: code.split(".").slice(1).join(".") });
const wanted = Number(options.pushes);

const client = new Client();
let received = 0;
let done;
const enough = new Promise((resolve) => (done = resolve));

client.onPush = (command, message) => {
  line("push", { command, body: message });
  received += 1;
  if (received >= wanted) done();
};

client.onlogin = async (ok, answer) => {
  line("login", { ok, connID: ok ? String(client.getConnID()) : null, answer: ok ? null : String(answer) });
  if (!ok) {
    fail("login", answer);
    finish();
    return;
  }
  try {
    const sub = await client.Sub({
      c2s: {
        securityList: codes.map(security),
        subTypeList: [SUB_TYPE_RT],
        isSubOrUnSub: true,
        isRegOrUnRegPush: true,
        isFirstPush: true,
      },
    });
    line("reply", { call: "Sub", body: sub });
    for (const code of codes) {
      const body = await client.GetRT({ c2s: { security: security(code) } });
      line("reply", { call: "GetRT", code, body });
    }
    if (received < wanted) await enough;
  } catch (error) {
    fail("request", typeof error === "object" ? JSON.stringify(error) : error);
  }
  client.stop();
  client.websock.close(); // stop() only forgets the handlers
  finish();
};

setTimeout(() => {
  fail("timeout", `not finished after ${options.timeout} s; ${received} of ${wanted} pushes`);
  finish();
}, Number(options.timeout) * 1000).unref();

client.start(options.host, Number(options.port), options.ssl, options.key);
