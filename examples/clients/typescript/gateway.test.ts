// Tests of a TypeScript program against a gateway of ftwire's, which the test steers over HTTP. FTWIRE is the command,
// where it is not on the path:  FTWIRE='python -m ftwire_tools.cli' node --test build/gateway.test.js

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, test } from 'node:test';
import { Decoder, type Frame, encodeFrame } from './opend.ts';

const PLAIN = { name: 'none' } as const;

/** A running `ftwire serve --control`. Its market's clock stands still. */
class Gateway {
  port = 0;
  private control = '';
  private token = '';
  private process?: ChildProcess;

  async start(): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'gateway-'));
    const tokenFile = join(folder, 'token');
    const [program, ...words] = (process.env['FTWIRE'] ?? 'ftwire').split(' ');
    const options = ['--synthetic', '--hours', 'always', '--port', '0', '--log-json', '--control', '0'];
    const child = spawn(program ?? '', [...words, 'serve', ...options, '--control-token-file', tokenFile], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.process = child;
    for await (const line of createInterface(child.stderr)) {
      const event = JSON.parse(line) as { event: string; port: number; url: string };
      if (event.event === 'listening') this.port = event.port;
      if (event.event === 'control') {
        this.control = event.url;
        break;
      }
    }
    this.token = readFileSync(tokenFile, 'utf8').trim();
    rmSync(folder, { recursive: true });
    child.stderr.resume();
  }

  async stop(): Promise<void> {
    if (this.process === undefined) return;
    this.process.kill();
    await once(this.process, 'exit');
  }

  /** Calls a verb, such as market/set_price; docs/control.openapi.json lists them. */
  async call(verb: string, values: Record<string, unknown> = {}): Promise<void> {
    const [status, answer] = await this.request('POST', verb, values);
    assert.equal(status, 200, String(answer['error']));
  }

  async request(method: string, path: string, values?: unknown): Promise<[number, Record<string, unknown>]> {
    const response = await fetch(`${this.control}/v1/${path}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json' },
      ...(values === undefined ? {} : { body: JSON.stringify(values) }),
    });
    return [response.status, (await response.json()) as Record<string, unknown>];
  }
}

interface Answer {
  retType: number;
  retMsg?: string;
  s2c?: { basicQotList?: { curPrice: number }[] };
}

/** The program that is tested: a connection with JSON bodies, which asks and waits for the answer. */
class Client {
  readonly pushes: Answer[] = [];
  private readonly decoder = new Decoder(PLAIN, 1 << 24);
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private serial = 0;
  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => {
      for (const found of this.decoder.feed(data)) if ('body' in found) this.take(found);
    });
  }

  static async connect(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const client = new Client(socket);
    await client.ask(1001, { clientVer: 100, clientID: 'node', recvNotify: true, pushProtoFmt: 1 });
    return client;
  }

  ask(protoId: number, c2s: unknown): Promise<Answer> {
    this.serial += 1;
    this.socket.write(encodeFrame(protoId, this.serial, 1, Buffer.from(JSON.stringify({ c2s })), PLAIN));
    return new Promise((resolve) => this.waiting.set(this.serial, resolve));
  }

  close(): void {
    this.socket.destroy();
  }

  private take(frame: Frame): void {
    const answer = JSON.parse(frame.body.toString()) as Answer;
    const resolve = this.waiting.get(frame.header.serial);
    this.waiting.delete(frame.header.serial);
    if (resolve === undefined) this.pushes.push(answer);
    else resolve(answer);
  }
}

const SECURITY = { market: 1, code: '00700' };
const SUBSCRIPTION = {
  securityList: [SECURITY], subTypeList: [1], isSubOrUnSub: true, isRegOrUnRegPush: true, isFirstPush: false,
};

const gateway = new Gateway();
before(() => gateway.start());
after(() => gateway.stop());
beforeEach(async () => {
  await gateway.call('reset');
  await gateway.call('clock/stop');
});

test('a price is pushed and quoted', async () => {
  const client = await Client.connect(gateway.port);
  assert.equal((await client.ask(3001, SUBSCRIPTION)).retType, 0);
  await gateway.call('market/set_price', { code: 'HK.00700', price: 401.2 });
  const answer = await client.ask(3004, { securityList: [SECURITY] });
  assert.equal(answer.s2c?.basicQotList?.[0]?.curPrice, 401.2);
  assert.deepEqual(client.pushes.map((push) => push.s2c?.basicQotList?.[0]?.curPrice), [401.2]);
  client.close();
});

test('a request is refused once', async () => {
  const client = await Client.connect(gateway.port);
  await client.ask(3001, SUBSCRIPTION);
  await gateway.call('replies/refuse_next', { protocol: 'Qot_GetBasicQot', reason: 'busy' });
  assert.equal((await client.ask(3004, { securityList: [SECURITY] })).retMsg, 'busy');
  assert.equal((await client.ask(3004, { securityList: [SECURITY] })).retType, 0);
  const [status, asked] = await gateway.request('GET', 'requests');
  assert.deepEqual([status, asked['count']], [200, 4]);
  client.close();
});

test('a wrong argument is explained', async () => {
  const [status, answer] = await gateway.request('POST', 'market/set_price', { code: 'HK.00700' });
  assert.deepEqual([status, answer['error']], [422, 'market.set_price needs price']);
});
