"""The Kaitai Struct descriptions: its own compiler takes them, and what it makes reads our captures as we do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import ftwire
from interop.peers import ensure
from support.places import ROOT

SPEC = ROOT / "docs" / "spec"

READER = """
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
const [modules, description, data, side] = process.argv.slice(2);
const require = createRequire(modules + '/');
const compiler = require('kaitai-struct-compiler');
const { KaitaiStream } = require('kaitai-struct');
const ksy = require('js-yaml').load(readFileSync(description, 'utf8'));
const files = await compiler.compile('javascript', ksy, null, false);
const module = { exports: {} };
const [source] = Object.values(files);
new Function('exports', 'require', 'module', source)(module.exports, require, module);
const found = module.exports[Object.keys(module.exports)[0]] ?? module.exports;
const Reader = typeof found === 'function' ? found : Object.values(found)[0];
const stream = new KaitaiStream(new Uint8Array(readFileSync(data)).buffer);
const parsed = side ? new Reader(stream, null, null, side === 'client').message : new Reader(stream);
const shown = (frame) => Object.fromEntries(
  Object.entries(frame).filter(([name]) => !name.startsWith('_')).map(
    ([name, value]) => [name, value instanceof Uint8Array ? Buffer.from(value).toString('hex') : Number(value)]));
console.log(JSON.stringify(side ? shown(parsed) : parsed.frames.map(shown)));
"""


def read(description: str, data: bytes, folder: Path, side: str = "") -> object:
    (folder / "reader.mjs").write_text(READER, "utf-8")
    (folder / "data").write_bytes(data)
    words = ["node", "reader.mjs", str(ensure("kaitai").folder / "node_modules"), str(SPEC / description), "data", side]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_frames_of_a_capture(tmp_path: Path) -> None:
    frames = [
        each.frame
        for each in ftwire.read(ROOT / "fixtures" / "captures" / "futu-api-10.11-plain.pcap")
        if isinstance(each.frame, ftwire.Frame)
    ]
    assert len(frames) == 12
    expected = [
        {
            "magic": b"FT".hex(),
            "protoId": frame.header.proto_id,
            "bodyFormat": frame.header.body_format,
            "version": frame.header.version,
            "serial": frame.header.serial,
            "bodyLength": frame.header.body_length,
            "sha1": frame.header.sha1.hex(),
            "reserved": frame.header.reserved.hex(),
            "body": frame.payload.hex(),
        }
        for frame in frames
    ]
    assert read("opend.ksy", b"".join(frame.encode() for frame in frames), tmp_path) == expected


@pytest.mark.parametrize("side", ["client", "server"])
def test_envelopes(side: str, tmp_path: Path) -> None:
    body = b"\x0a\x00"
    if side == "client":
        data = ftwire.Envelope.build(3008, 7, body, sender=ftwire.Role.CLIENT).encode()
        more = {}
    else:
        data = ftwire.Envelope.build(3008, 7, body, sender=ftwire.Role.SERVER).encode()
        more = {"errorCode": 0, "errorText": bytes(20).hex()}
    expected = {"magic": b"ft-v1.0\0".hex(), "command": 3008, "section": 7, **more, "body": body.hex()}
    assert read("opend_websocket.ksy", data, tmp_path, side) == expected
