// Answers golden vectors without a line of ours: Node's own crypto, protobufjs for the messages.
//
//     node runner.mjs PROTO_FOLDER        one JSON question a line on standard input, one answer a line
//
// protobufjs is found through NODE_PATH. Facts are the protocol's, read from its description, not from a library.
import { createCipheriv, createDecipheriv, createHash, createPrivateKey, privateDecrypt, publicEncrypt, constants } from 'node:crypto';
import { createRequire } from 'node:module';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import path from 'node:path';

const require = createRequire(path.join(process.env.NODE_PATH ?? '.', 'x.js'));
const protobuf = require('protobufjs');
const Long = require('long');
protobuf.util.Long = Long;
protobuf.configure();

const folder = process.argv[2];
const root = new protobuf.Root();
root.resolvePath = (_, target) => path.join(folder, target);
root.loadSync(readdirSync(folder).filter((name) => name.endsWith('.proto')), { keepCase: true });

class Refused extends Error {}
const refuse = (why) => { throw new Refused(why); };
const hex = (text) => Buffer.from(text, 'hex');
const sha1 = (data) => createHash('sha1').update(data).digest();

// Ciphers

function aes(name, key, iv, data, encrypt) {
  const mode = iv === null ? 'aes-128-ecb' : 'aes-128-cbc';
  const made = (encrypt ? createCipheriv : createDecipheriv)(mode, Buffer.from(key), iv === null ? null : Buffer.from(iv));
  made.setAutoPadding(false);
  return Buffer.concat([made.update(data), made.final()]);
}

function encrypt(spec, body) {
  if (spec.name === 'none') return body;
  if (spec.name === 'ftaes_ecb') {
    const over = body.length % 16;
    const padded = Buffer.concat([body, Buffer.alloc((16 - over) % 16)]);
    const tail = Buffer.alloc(16);
    tail[15] = over;
    return Buffer.concat([aes(spec.name, spec.key, null, padded, true), tail]);
  }
  const missing = 16 - (body.length % 16);
  const padded = Buffer.concat([body, Buffer.alloc(missing, missing)]);
  return aes(spec.name, spec.key, spec.name === 'aes_cbc' ? spec.iv : null, padded, true);
}

function decrypt(spec, payload) {
  if (spec.name === 'none') return payload;
  if (spec.name === 'rsa') return rsaDecrypt(spec.pem, payload);
  if (payload.length === 0 || payload.length % 16) refuse('not whole blocks');
  if (spec.name === 'ftaes_ecb') {
    const last = payload[payload.length - 1];
    if (last > 15) refuse('tail byte');
    const plain = aes(spec.name, spec.key, null, payload.subarray(0, -16), false);
    if (last === 0) return plain;
    if (plain.length === 0) refuse('a tail alone');
    return plain.subarray(0, plain.length - 16 + last);
  }
  const plain = aes(spec.name, spec.key, spec.name === 'aes_cbc' ? spec.iv : null, payload, false);
  const count = plain[plain.length - 1];
  if (count < 1 || count > 16) refuse('padding');
  for (const byte of plain.subarray(-count)) if (byte !== count) refuse('padding');
  return plain.subarray(0, -count);
}

function rsaEncrypt(pem, body) {
  const parts = [];
  for (let at = 0; at < body.length; at += 100) {
    parts.push(publicEncrypt({ key: pem, padding: constants.RSA_PKCS1_PADDING }, body.subarray(at, at + 100)));
  }
  return Buffer.concat(parts);
}

function rsaDecrypt(pem, payload) {
  const key = createPrivateKey(pem);
  const size = key.asymmetricKeyDetails.modulusLength / 8;
  if (payload.length % size) refuse('not whole blocks');
  const parts = [];
  for (let at = 0; at < payload.length; at += size) {
    // Padding is taken off here: what a wrong key leaves must be refused, not guessed.
    let block;
    try {
      block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, payload.subarray(at, at + size));
    } catch {
      refuse('a block above the modulus');
    }
    const end = block.indexOf(0, 2);
    if (block[0] !== 0 || block[1] !== 2 || end < 10) refuse('padding');
    parts.push(block.subarray(end + 1));
  }
  return Buffer.concat(parts);
}

// Frames

function header(data) {
  if (data.length < 44) refuse('short');
  if (data[0] !== 0x46 || data[1] !== 0x54) refuse('magic');
  return {
    protoId: data.readUInt32LE(2),
    bodyFormat: data[6],
    version: data[7],
    serial: data.readUInt32LE(8),
    bodyLength: data.readUInt32LE(12),
    sha1: data.subarray(16, 36).toString('hex'),
    reserved: data.subarray(36, 44).toString('hex'),
  };
}

function headerBytes(head) {
  const data = Buffer.alloc(44);
  data.write('FT', 0, 'latin1');
  data.writeUInt32LE(head.protoId, 2);
  data[6] = head.bodyFormat;
  data[7] = head.version ?? 0;
  data.writeUInt32LE(head.serial, 8);
  data.writeUInt32LE(head.bodyLength, 12);
  hex(head.sha1).copy(data, 16);
  if (head.reserved) hex(head.reserved).copy(data, 36);
  return data;
}

function open(data, cipher) {
  const head = header(data);
  if (data.length !== 44 + head.bodyLength) refuse('length');
  const body = decrypt(cipher, data.subarray(44));
  if (sha1(body).toString('hex') !== head.sha1) refuse('digest');
  return { protoId: head.protoId, serial: head.serial, bodyFormat: head.bodyFormat, body: body.toString('hex') };
}

function stream(given) {
  const events = [];
  let kept = Buffer.alloc(0);
  for (const chunk of given.chunks) {
    kept = Buffer.concat([kept, hex(chunk)]);
    for (;;) {
      if (kept.length > 1 && (kept[0] !== 0x46 || kept[1] !== 0x54)) return { events, fatal: true, pending: 0 };
      if (kept.length < 44) break;
      const head = header(kept);
      if (head.bodyLength > given.maxBody) return { events, fatal: true, pending: 0 };
      const end = 44 + head.bodyLength;
      if (kept.length < end) break;
      try {
        events.push(open(kept.subarray(0, end), given.cipher));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        events.push({ protoId: head.protoId, serial: head.serial, damaged: true });
      }
      kept = kept.subarray(end);
    }
  }
  return { events, fatal: false, pending: kept.length };
}

// protobufjs refuses a message without its required fields, but says what there is.
function partial(type, body) {
  try {
    return type.decode(body);
  } catch (error) {
    if (error instanceof protobuf.util.ProtocolError) return error.instance;
    throw error;
  }
}

function handshake(given) {
  let cipher = given.key === null ? { name: 'none' } : { name: 'rsa', pem: given.key };
  const result = { accepted: false, encryption: null, connId: null, bodies: [] };
  const [Request, Response] = ['Request', 'Response'].map((name) => root.lookupType(`InitConnect.${name}`));
  let asked;
  given.frames.forEach((said, at) => {
    const frame = open(hex(said.data), cipher);
    if (at === 0 && frame.protoId !== 1001) refuse('InitConnect comes first');
    result.bodies.push(frame.body);
    if (at === 0) asked = Request.decode(hex(frame.body)).c2s;
    if (at !== 1) return;
    const reply = partial(Response, hex(frame.body));
    if (reply.retType !== 0) return;
    const { s2c } = reply;
    result.accepted = true;
    result.connId = s2c.connID.toString();
    const has = (message, name) => Object.prototype.hasOwnProperty.call(message, name);
    const key = s2c.connAESKey;
    const ecb = { name: 'aes_ecb', key };
    const ft = { name: 'ftaes_ecb', key };
    if (given.key === null) cipher = { name: 'none' };
    else {
      const wanted = has(asked, 'packetEncAlgo') ? asked.packetEncAlgo : null;
      if (wanted === -1) cipher = { name: 'none' };
      else if (wanted === 0) cipher = ft;
      else if (wanted === 1) cipher = ecb;
      else if (!has(s2c, 'aesCBCiv')) cipher = ft;
      else cipher = s2c.aesCBCiv === '' ? ecb : { name: 'aes_cbc', key, iv: s2c.aesCBCiv };
      if (cipher.name !== 'none' && Buffer.from(key).length !== 16) refuse('AES key');
    }
    result.encryption = cipher.name;
  });
  return result;
}

// WebSocket

const MAGIC = Buffer.from('ft-v1.0\0', 'latin1');

function envelope({ sender, data }) {
  const raw = hex(data);
  const size = sender === 'client' ? 20 : 44;
  if (raw.length < size || !raw.subarray(0, 8).equals(MAGIC)) refuse('envelope');
  const text = sender === 'client' ? Buffer.alloc(0) : raw.subarray(24, 44);
  const end = text.indexOf(0);
  return {
    command: raw.readUInt32BE(8),
    section: raw.readBigUInt64BE(12).toString(),
    errorCode: sender === 'client' ? 0 : raw.readInt32BE(20),
    errorText: text.subarray(0, end < 0 ? text.length : end).toString('utf8'),
    body: raw.subarray(size).toString('hex'),
  };
}

function envelopeBytes(given) {
  const head = Buffer.alloc(given.sender === 'client' ? 20 : 44);
  MAGIC.copy(head);
  head.writeUInt32BE(given.command, 8);
  head.writeBigUInt64BE(BigInt(given.section), 12);
  if (given.sender === 'server') {
    head.writeInt32BE(given.errorCode, 20);
    Buffer.from(given.errorText, 'utf8').copy(head, 24);
  }
  return Buffer.concat([head, hex(given.body)]);
}

// JSON, by protobuf's mapping. protobufjs reads almost anything, so types are checked here.

const RANGES = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n], sint32: [-(2n ** 31n), 2n ** 31n - 1n], uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n], sint64: [-(2n ** 63n), 2n ** 63n - 1n], uint64: [0n, 2n ** 64n - 1n],
};

// JSON.parse would round integers above 2**53: they are put into strings first, where they are not in one.
function parseJson(text) {
  let out = '';
  for (let at = 0; at < text.length;) {
    if (text[at] === '"') {
      const start = at++;
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      out += text.slice(start, ++at);
    } else {
      const number = /^-?\d{16,}(?![\d.eE])/.exec(text.slice(at));
      if (number) { out += `{"\u0000big":"${number[0]}"}`.replace('\u0000', '\\u0000'); at += number[0].length; } else out += text[at++];
    }
  }
  try { return JSON.parse(out); } catch { return refuse('no JSON'); }
}

function scalar(field, value) {
  if (value !== null && typeof value === 'object' && '\u0000big' in value) value = BigInt(value['\u0000big']);
  if (field.type in RANGES) {
    if (typeof value === 'string' && /^-?\d+$/.test(value)) value = BigInt(value);
    if (typeof value === 'number' && Number.isInteger(value)) value = BigInt(value);
    if (typeof value !== 'bigint') refuse(`${field.name} is no integer`);
    const [low, high] = RANGES[field.type];
    if (value < low || value > high) refuse(`${field.name} out of range`);
    return field.type.endsWith('64') ? Long.fromString(value.toString(), field.type === 'uint64') : Number(value);
  }
  if (field.type === 'double' || field.type === 'float') {
    if (typeof value === 'bigint') value = Number(value);
    if (['NaN', 'Infinity', '-Infinity'].includes(value)) return Number(value);
    if (typeof value !== 'number') refuse(`${field.name} is no number`);
    return value;
  }
  if (field.type === 'bool') return typeof value === 'boolean' ? value : refuse(`${field.name} is neither true nor false`);
  if (field.type === 'string') return typeof value === 'string' ? value : refuse(`${field.name} is no string`);
  return refuse(`${field.name}: ${field.type}`);
}

function fromJson(type, value) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) refuse(`${type.name} is no object`);
  const made = {};
  for (const [name, item] of Object.entries(value)) {
    const field = type.fields[name];
    if (!field || item === null) continue;
    field.resolve();
    const one = (each) => (field.resolvedType instanceof protobuf.Type ? fromJson(field.resolvedType, each) : scalar(field, each));
    if (field.repeated) made[name] = Array.isArray(item) ? item.map(one) : refuse(`${name} is no list`);
    else made[name] = one(item);
  }
  for (const field of type.fieldsArray) if (field.required && !(field.name in made)) refuse(`${field.name} is missing`);
  return type.create(made);
}

function toJson(type, message) {
  const made = {};
  for (const field of type.fieldsArray) {
    if (!Object.prototype.hasOwnProperty.call(message, field.name)) continue;
    field.resolve();
    const one = (each) => {
      if (field.resolvedType instanceof protobuf.Type) return toJson(field.resolvedType, each);
      if (Long.isLong(each)) return each.toString();
      if (typeof each === 'number' && !Number.isFinite(each)) return String(each);
      return each;
    };
    const value = message[field.name];
    if (field.repeated) { if (value.length) made[field.name] = value.map(one); } else made[field.name] = one(value);
  }
  return made;
}

// Questions

const OPERATIONS = {
  'header decode': (given) => header(hex(given.data)),
  'header encode': (given) => ({ data: headerBytes(given).toString('hex') }),
  'frame decode': (given) => open(hex(given.data), given.cipher),
  'frame encode': (given) => {
    const payload = encrypt(given.cipher, hex(given.body));
    const head = headerBytes({ ...given, bodyLength: payload.length, sha1: sha1(hex(given.body)).toString('hex') });
    return { data: Buffer.concat([head, payload]).toString('hex') };
  },
  'sha1 digest': (given) => ({ sha1: sha1(hex(given.body)).toString('hex') }),
  'rsa_handshake decrypt': (given) => ({ body: rsaDecrypt(given.key, hex(given.payload)).toString('hex') }),
  'rsa_handshake encrypt': (given) => ({ payload: rsaEncrypt(given.key, hex(given.body)).toString('hex') }),
  'rsa_handshake frame': (given) => open(hex(given.data), given.key === null ? { name: 'none' } : { name: 'rsa', pem: given.key }),
  'websocket decode': envelope,
  'websocket encode': (given) => ({ data: envelopeBytes(given).toString('hex') }),
  'websocket key_digest': (given) => ({ digest: given.key && createHash('md5').update(given.key).digest('hex') }),
  'json_body decode': (given) => {
    const type = root.lookupType(given.message);
    return { protobuf: Buffer.from(type.encode(fromJson(type, parseJson(given.json))).finish()).toString('hex') };
  },
  'json_body encode': (given) => {
    const type = root.lookupType(given.message);
    return { json: toJson(type, type.decode(hex(given.protobuf))) };
  },
  'stream decode': stream,
  'handshake follow': handshake,
};
for (const name of ['ftaes_ecb', 'aes_ecb', 'aes_cbc']) {
  OPERATIONS[`${name} encrypt`] = (given) => ({ payload: encrypt({ ...given, name }, hex(given.body)).toString('hex') });
  OPERATIONS[`${name} decrypt`] = (given) => ({ body: decrypt({ ...given, name }, hex(given.payload)).toString('hex') });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, group, operation, input } = JSON.parse(line);
  const answer = OPERATIONS[`${group} ${operation}`];
  let said;
  if (!answer) said = { id, unsupported: true };
  else {
    try {
      said = { id, output: answer(input) };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      said = { id, error: error.message };
    }
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
});
