// A starting point for a client of OpenD in TypeScript: frames, digests and AES, and this program that tests them.
//
//     ftwire vectors check --command 'node build/main.js'
import { createInterface } from 'node:readline';
import {
  type Cipher, type Frame, Decoder, WireError, decodeFrame, decodeHeader, decrypt, encodeFrame, encodeHeader, encrypt, sha1,
} from './opend.ts';

/** Every member that an input may have; which of them are there depends on the group and the operation. */
interface Input {
  data: string;
  body: string;
  payload: string;
  protoId: number;
  serial: number;
  bodyFormat: number;
  version: number;
  bodyLength: number;
  sha1: string;
  reserved: string;
  cipher: Cipher;
  key: string;
  iv?: string;
  chunks: string[];
  maxBody: number;
}

interface Question {
  id: string;
  group: string;
  operation: string;
  input: Input;
}

const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

const facts = ({ header, body }: Frame): object => ({
  protoId: header.protoId, serial: header.serial, bodyFormat: header.bodyFormat, body: body.toString('hex'),
});

function stream({ chunks, cipher, maxBody }: Input): object {
  const events: object[] = [];
  const decoder = new Decoder(cipher, maxBody);
  try {
    for (const chunk of chunks) {
      for (const found of decoder.feed(bytes(chunk))) {
        events.push('body' in found ? facts(found) : { protoId: found.protoId, serial: found.serial, damaged: true });
      }
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { events, fatal: true, pending: 0 };
  }
  return { events, fatal: false, pending: decoder.pending };
}

const OPERATIONS: Record<string, (input: Input) => object> = {
  'header decode': ({ data }) => {
    const header = decodeHeader(bytes(data));
    return { ...header, sha1: header.sha1.toString('hex'), reserved: header.reserved.toString('hex') };
  },
  'header encode': (input) => {
    const header = { ...input, sha1: bytes(input.sha1), reserved: bytes(input.reserved) };
    return { data: encodeHeader(header).toString('hex') };
  },
  'sha1 digest': ({ body }) => ({ sha1: sha1(bytes(body)).toString('hex') }),
  'frame decode': ({ data, cipher }) => facts(decodeFrame(bytes(data), cipher)),
  'frame encode': ({ protoId, serial, bodyFormat, body, cipher }) => ({
    data: encodeFrame(protoId, serial, bodyFormat, bytes(body), cipher).toString('hex'),
  }),
  'stream decode': stream,
};
for (const name of ['ftaes_ecb', 'aes_ecb', 'aes_cbc'] as const) {
  OPERATIONS[`${name} encrypt`] = ({ key, iv, body }) => ({ payload: encrypt({ name, key, iv }, bytes(body)).toString('hex') });
  OPERATIONS[`${name} decrypt`] = ({ key, iv, payload }) => ({ body: decrypt({ name, key, iv }, bytes(payload)).toString('hex') });
}

function answer({ id, group, operation, input }: Question): object {
  const run = OPERATIONS[`${group} ${operation}`];
  if (!run) return { id, unsupported: true };
  try {
    return { id, output: run(input) };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { id, error: error.message };
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as Question))}\n`);
});
