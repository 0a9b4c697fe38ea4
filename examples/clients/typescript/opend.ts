import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';

/** The header in front of every body, in bytes. */
export const HEADER_SIZE = 44;
const BLOCK = 16;
const MAGIC = Buffer.from('FT');

/** Bytes that are no frame, or not under this cipher. */
export class WireError extends Error {}

/** What stands in front of every body: 44 bytes, packed, numbers little-endian. */
export interface Header {
  protoId: number;
  /** 0 protobuf, 1 JSON. */
  bodyFormat: number;
  version: number;
  /** A reply repeats that of its request. */
  serial: number;
  /** Of the body as it is sent: encrypted, if it is. */
  bodyLength: number;
  sha1: Buffer;
  reserved: Buffer;
}

export interface Frame {
  header: Header;
  /** Plain. */
  body: Buffer;
}

export const sha1 = (data: Buffer): Buffer => createHash('sha1').update(data).digest();

export function encodeHeader(header: Header): Buffer {
  const data = Buffer.alloc(HEADER_SIZE);
  MAGIC.copy(data);
  data.writeUInt32LE(header.protoId, 2);
  data.writeUInt8(header.bodyFormat, 6);
  data.writeUInt8(header.version, 7);
  data.writeUInt32LE(header.serial, 8);
  data.writeUInt32LE(header.bodyLength, 12);
  header.sha1.copy(data, 16);
  header.reserved.copy(data, 36);
  return data;
}

/** Reads a header; the data may be longer. */
export function decodeHeader(data: Buffer): Header {
  checkMagic(data);
  if (data.length < HEADER_SIZE) throw new WireError('a header has 44 bytes');
  return {
    protoId: data.readUInt32LE(2),
    bodyFormat: data.readUInt8(6),
    version: data.readUInt8(7),
    serial: data.readUInt32LE(8),
    bodyLength: data.readUInt32LE(12),
    sha1: data.subarray(16, 36),
    reserved: data.subarray(36, 44),
  };
}

/** Refuses what begins with another magic; fewer bytes may still become one. */
function checkMagic(data: Buffer): void {
  if (data.length >= MAGIC.length && !data.subarray(0, MAGIC.length).equals(MAGIC)) throw new WireError('a frame begins with FT');
}

/** How bodies are encrypted once InitConnect is answered: key and IV are connAESKey and aesCBCiv of that answer. */
export interface Cipher {
  name: 'none' | 'ftaes_ecb' | 'aes_ecb' | 'aes_cbc';
  /** 16 characters, each of them one byte. */
  key?: string;
  /** The same, of aes_cbc alone: every frame starts from it. */
  iv?: string;
}

function blocks(cipher: Cipher, data: Buffer, encrypt: boolean): Buffer {
  const cbc = cipher.name === 'aes_cbc';
  const make = encrypt ? createCipheriv : createDecipheriv;
  const aes = make(cbc ? 'aes-128-cbc' : 'aes-128-ecb', cipher.key ?? '', cbc ? (cipher.iv ?? '') : null);
  aes.setAutoPadding(false);
  return Buffer.concat([aes.update(data), aes.final()]);
}

/** Returns a body as it is sent. */
export function encrypt(cipher: Cipher, body: Buffer): Buffer {
  if (cipher.name === 'none') return body;
  const rest = body.length % BLOCK;
  if (cipher.name === 'ftaes_ecb') {
    // Padded with zeros; behind it a plain block, whose last byte is the body's length modulo 16.
    const tail = Buffer.alloc(BLOCK);
    tail[BLOCK - 1] = rest;
    const padded = Buffer.concat([body, Buffer.alloc((BLOCK - rest) % BLOCK)]);
    return Buffer.concat([blocks(cipher, padded, true), tail]);
  }
  const padding = Buffer.alloc(BLOCK - rest, BLOCK - rest); // PKCS#7
  return blocks(cipher, Buffer.concat([body, padding]), true);
}

/** Returns the plain body of what was received. */
export function decrypt(cipher: Cipher, data: Buffer): Buffer {
  if (cipher.name === 'none') return data;
  if (data.length === 0 || data.length % BLOCK) throw new WireError('AES bodies are whole blocks of 16 bytes, at least one');
  const last = data.length - 1;
  if (cipher.name === 'ftaes_ecb') {
    const rest = data.readUInt8(last);
    const body = blocks(cipher, data.subarray(0, -BLOCK), false);
    if (rest === 0) return body; // whole blocks, nothing to strip
    if (rest >= BLOCK || body.length === 0) throw wrongPadding();
    return body.subarray(0, body.length - BLOCK + rest);
  }
  const body = blocks(cipher, data, false);
  const count = body.readUInt8(last);
  if (count < 1 || count > BLOCK || !body.subarray(-count).equals(Buffer.alloc(count, count))) throw wrongPadding();
  return body.subarray(0, -count);
}

const wrongPadding = (): WireError => new WireError('the padding is wrong: another key, or another mode');

/** Returns a frame as it is sent. The SHA-1 is that of the plain body, the length that of the encrypted one. */
export function encodeFrame(protoId: number, serial: number, bodyFormat: number, body: Buffer, cipher: Cipher): Buffer {
  const payload = encrypt(cipher, body);
  const header = {
    protoId, bodyFormat, version: 0, serial, bodyLength: payload.length, sha1: sha1(body), reserved: Buffer.alloc(8),
  };
  return Buffer.concat([encodeHeader(header), payload]);
}

/** Reads one whole frame, decrypts its body and checks its digest. */
export function decodeFrame(data: Buffer, cipher: Cipher): Frame {
  const header = decodeHeader(data);
  if (data.length !== HEADER_SIZE + header.bodyLength) throw new WireError('the body is not as long as the header says');
  const body = decrypt(cipher, data.subarray(HEADER_SIZE));
  if (!sha1(body).equals(header.sha1)) throw new WireError('the SHA-1 is not that of the plain body');
  return { header, body };
}

/** Cuts what a socket gives, in whatever pieces, into frames. */
export class Decoder {
  /** Bytes that wait for the rest of their frame. */
  pending = 0;
  private chunks: Buffer[] = [];
  private needed = MAGIC.length;
  private readonly cipher: Cipher;
  private readonly maxBody: number;

  constructor(cipher: Cipher, maxBody: number) {
    this.cipher = cipher;
    this.maxBody = maxBody;
  }

  /**
   * Yields every frame that the data completes, and the header alone of one whose body cannot be had: the stream goes
   * on behind it. After a WireError nothing more can be read: close the connection.
   */
  *feed(data: Buffer): Generator<Frame | Header> {
    this.chunks.push(data);
    this.pending += data.length;
    if (this.pending < this.needed) return; // joined when a header or a frame is whole: the cost stays linear
    let kept = Buffer.concat(this.chunks);
    for (;;) {
      this.chunks = [kept];
      this.pending = kept.length;
      checkMagic(kept);
      this.needed = kept.length < MAGIC.length ? MAGIC.length : HEADER_SIZE;
      if (kept.length < HEADER_SIZE) return;
      const header = decodeHeader(kept);
      if (header.bodyLength > this.maxBody) throw new WireError('the body is longer than allowed');
      this.needed = HEADER_SIZE + header.bodyLength;
      if (kept.length < this.needed) return;
      const raw = kept.subarray(0, this.needed);
      kept = kept.subarray(this.needed);
      let found: Frame | Header = header;
      try {
        found = decodeFrame(raw, this.cipher);
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
      }
      yield found;
    }
  }
}
