"""Bytes in the notations of other programs: each is read as exactly the bytes that were printed."""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from codec.test_diagnosis import VECTORS
from ftwire.frame import Frame, Role
from ftwire.pcap import Direction, LinkType, PacketReader, PcapWriter, TcpConversation
from ftwire_tools.commands import ftwire
from ftwire_tools.explaining.notations import read_text, text_of
from support import captures
from support.frames import request, response
from support.programs import Program, require
from tools.explaining.test_explain import capture_of

SHORT = request(serial=7).encode()
LONG = response().encode()
# Zeros, which dumps squeeze; characters that are syntax somewhere; all bytes; digits, which end numeric escapes.
AWKWARD = Frame.build(
    3008, 0x4142, bytes(100) + b"\x000\x017\xff9ab cd }]>)\"'\\*/ //,\r\n" + bytes(range(256)), sender=Role.CLIENT
).encode()
GOOD = {"short": SHORT, "long": LONG, "awkward": AWKWARD}

frames = st.binary(max_size=300).map(lambda body: Frame.build(3008, 1, body, sender=Role.CLIENT).encode())
good_frames = pytest.mark.parametrize("frame", GOOD.values(), ids=GOOD)


def bytes_of(text: str) -> bytes:
    reading = read_text(text)
    assert reading is not None, text[:200]
    assert reading.capture is None
    return reading.data


def explain(*words: str | Path, data: bytes | None = None) -> Result:
    return CliRunner().invoke(ftwire, ["explain", *map(str, words)], input=data)


def signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def c_escaped(data: bytes) -> str:
    r"""A C string of octal escapes as short as they may be: ``\0`` but ``\0000`` in front of a digit."""
    written = []
    for place, byte in enumerate(data):
        before_digit = data[place + 1 : place + 2].isdigit()
        written.append(f"\\{byte:03o}" if before_digit else f"\\{byte:o}")
    return '"' + "".join(written) + '"'


def rust_debug(data: bytes) -> str:
    r"""``b"…"`` as the crate ``bytes`` prints it: NUL is ``\0`` whatever follows."""
    special = {0: "\\0", 9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}
    printed = (special.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in data)
    return f'b"{"".join(printed)}"'


def lines_of(data: bytes, size: int = 16) -> Iterator[tuple[int, bytes, str]]:
    """Offset, bytes and the bytes as text, of each line of a dump."""
    for at in range(0, len(data), size):
        part = data[at : at + size]
        yield at, part, "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)


def halves(part: bytes, between: str = "  ") -> str:
    return f"{part[:8].hex(' '):23}{between}{part[8:].hex(' '):23}"


def decimal_escapes(data: bytes) -> str:
    return '"' + "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"\\{byte:03d}" for byte in data) + '"'


def haskell_escapes(data: bytes) -> str:
    names = "NUL SOH STX ETX EOT ENQ ACK a b t n v f r SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
    written = []
    for place, byte in enumerate(data):
        after = data[place + 1 : place + 2]
        if byte < 32:
            written.append(f"\\{names.split()[byte]}" + "\\&" * (byte == 14 and after == b"H"))
        elif byte > 126:
            written.append(("\\DEL" if byte == 127 else f"\\{byte}") + "\\&" * after.isdigit())
        else:
            written.append(f"\\{chr(byte)}" if chr(byte) in '"\\' else chr(byte))
    return f'"{"".join(written)}"'


PRINTERS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "HEX": lambda data: data.hex().upper(),
    "hex in lines": lambda data: "\n".join(textwrap.wrap(data.hex(), 60)),
    "hex with spaces": lambda data: data.hex(" "),
    "hex with colons": lambda data: data.hex(":"),
    "C# BitConverter": lambda data: data.hex("-").upper(),
    "Go % #x": lambda data: " ".join(f"0x{byte:02x}" for byte in data),
    "Go %#x": lambda data: f"0x{data.hex()}",
    "Postgres bytea": lambda data: f"\\x{data.hex()}",
    "Go %v": lambda data: f"[{' '.join(map(str, data))}]",
    "Go %#v": lambda data: f"[]byte{{{', '.join(f'{byte:#x}' for byte in data)}}}",
    "Rust {:?}": lambda data: str(list(data)),
    "Rust {:#?}": lambda data: "[\n" + "".join(f"    {byte},\n" for byte in data) + "]",
    "Rust {:x?}": lambda data: f"[{', '.join(f'{byte:x}' for byte in data)}]",
    "Rust {:02X?}": lambda data: f"[{', '.join(f'{byte:02X}' for byte in data)}]",
    "Rust {:#04x?}": lambda data: "[\n" + "".join(f"    {byte:#04x},\n" for byte in data) + "]",
    "Rust bytes": rust_debug,
    "Node Buffer": lambda data: f"<Buffer {data.hex(' ')}>",
    "Node Uint8Array": lambda data: f"Uint8Array({len(data)}) {list(data)}",
    "Node Buffer as JSON": lambda data: json.dumps({"type": "Buffer", "data": list(data)}),
    "Node Uint8Array as JSON": lambda data: json.dumps({str(place): byte for place, byte in enumerate(data)}),
    "JavaScript string": lambda data: json.dumps(data.decode("latin-1")),
    "Java Arrays.toString": lambda data: str([signed(byte) for byte in data]),
    "Java source": lambda data: "new byte[] {" + ", ".join(f"(byte) 0x{byte:02x}" for byte in data) + "};",
    "Python repr": repr,
    "Python bytearray": lambda data: repr(bytearray(data)),
    "Python without quotes": lambda data: "".join(f"\\x{byte:02x}" for byte in data),
    "C array": lambda data: f"uint8_t frame[{len(data)}] = {{{', '.join(map(str, data))}}}; /* end }} */",
    "C octal": c_escaped,
    "C string in lines": lambda data: " \\\n".join(
        '"' + "".join(f"\\x{byte:02x}" for byte in data[at : at + 16]) + '"' for at in range(0, len(data), 16)
    ),
    "Erlang": lambda data: f"<<{','.join(map(str, data))}>>",
    "numpy": lambda data: "[" + "\n ".join(textwrap.wrap(" ".join(f"{byte:3}" for byte in data), 70)) + "]",
    "escaped in JSON": lambda data: json.dumps(
        {"msg": "sent", "data": "".join(f"\\u{byte:04x}" for byte in data)}
    ).replace("\\\\", "\\"),
    "characters and numbers": lambda data: "{'F', 'T', " + ", ".join(map(str, data[2:])) + "}",
    "gdb x/8xb": lambda data: "\n".join(
        f"0x7ffe{at:04x}:\t" + "\t".join(f"0x{byte:02x}" for byte in data[at : at + 8]) for at in range(0, len(data), 8)
    ),
    "base64": lambda data: base64.b64encode(data).decode(),
    "base64 in lines": lambda data: base64.encodebytes(data).decode(),
    "base64 in odd lines": lambda data: "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 50)),
    "base64 for URLs": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "base64 in JSON": lambda data: json.dumps({"level": "info", "frame": base64.b64encode(data).decode()}),
    "a line of a log": lambda data: f"2026-11-22 08:02:33.164 INFO 127.0.0.1:36434 sent {data.hex()} ok",
    "a line of a log, pairs": lambda data: f"2026-11-22 08:02:33 {data.hex(' ')}",
    "a line of a log, named": lambda data: f"08:02:33.164 DEBUG len={len(data)} sent: {data.hex(' ').upper()}\n",
    "Markdown": lambda data: f"What I send:\n```\n{data.hex(' ', 2)}\n```\n",
    "quoted mail": lambda data: "> " + str([signed(byte) for byte in data]).replace("0, ", "0,\n> ") + "\n",
    "Python source": lambda data: f"FRAME = bytes.fromhex('{data.hex(' ')}')  # what I send",
    "certutil -encode": lambda data: (
        f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(data).decode()}-----END CERTIFICATE-----\n"
    ),
    "base64 in YAML": lambda data: (
        "frame: |\n" + textwrap.indent(base64.encodebytes(data).decode(), "    ") + "next: 1"
    ),
    "a line of a log, decimal": lambda data: f"2026-11-22 08:02:33.164 INFO [conn 5] sent {list(data)} to [::1]:11111",
    "C %02x of a char": lambda data: " ".join(f"{byte:02x}" if byte < 128 else f"ffffff{byte:02x}" for byte in data),
    "Python list of hex()": lambda data: str([hex(byte) for byte in data]),
    "pairs in JSON": lambda data: json.dumps([f"{byte:02x}" for byte in data]),
    "F#": lambda data: f"[|{'; '.join(f'{byte}uy' for byte in data)}|]",
    "Basic": lambda data: f"{{{', '.join(f'&H{byte:02X}' for byte in data)}}}",
    "Pascal": lambda data: f"({', '.join(f'${byte:02X}' for byte in data)})",
    "signed hexadecimal": lambda data: f"{{{', '.join(f'{signed(byte):#x}' for byte in data)}}}",
    "Chrome": lambda data: (
        f"Uint8Array({len(data)}) {str(list(data))[:-1]}, buffer: ArrayBuffer({len(data)}), byteLength: {len(data)}, "
        f"byteOffset: 0, length: {len(data)}, Symbol(Symbol.toStringTag): 'Uint8Array']"
    ),
    "PHP print_r": lambda data: (
        "Array\n(\n" + "".join(f"    [{at}] => {each}\n" for at, each in enumerate(data)) + ")\n"
    ),
    "PHP unpack": lambda data: (
        "Array\n(\n" + "".join(f"    [{at}] => {each}\n" for at, each in enumerate(data, 1)) + ")\n"
    ),
    "Visual Studio": lambda data: "\n".join(f"\t\t[{at}]\t0x{byte:02x}\tunsigned char" for at, byte in enumerate(data)),
    "PyCharm": lambda data: "\n".join(f"{at:02d} = {{int}} {byte}" for at, byte in enumerate(data)),
    "IntelliJ": lambda data: "\n".join(f"{at} = {signed(byte)}" for at, byte in enumerate(data)),
    "Perl": lambda data: '"' + "".join(f"\\x{{{byte:x}}}" for byte in data) + '"',
    "Lua": decimal_escapes,
    "Haskell": haskell_escapes,
    "binary": lambda data: " ".join(f"{byte:08b}" for byte in data),
    "xxd -b": lambda data: "\n".join(
        f"{at:08x}: {' '.join(f'{byte:08b}' for byte in part):53}  {text}" for at, part, text in lines_of(data, 6)
    ),
    "strace": lambda data: f"sendto(3, {c_escaped(data)}, {len(data)}, MSG_NOSIGNAL, NULL, 0) = {len(data)}\n",
    "strace -e write": lambda data: (
        f'write(3, "FT"..., {len(data)}) = {len(data)}\n'
        + "".join(f" | {at:05x}  {halves(part)}  {text:16} |\n" for at, part, text in lines_of(data))
    ),
    "socat -x -v": lambda data: (
        f"> 2026/11/22 08:02:33.000164  length={len(data)} from=0 to={len(data) - 1}\n"
        + "".join(f" {part.hex(' '):47}  {text}\n" for _, part, text in lines_of(data))
        + "--\n"
    ),
    "ngrep -x": lambda data: (
        "T 127.0.0.1:50000 -> 127.0.0.1:11111 [AP]\n"
        + "".join(f"  {halves(part, '    ')}    {text}\n" for _, part, text in lines_of(data))
    ),
    "Netty": lambda data: (
        "         |  0  1  2  3 |\n+--------+----+\n"
        + "".join(f"|{at:08x}| {part.hex(' '):47} |{text:16}|\n" for at, part, text in lines_of(data))
        + "+--------+----+"
    ),
    "hexyl": lambda data: "".join(
        f"│{at:08x}│ {halves(part, ' ┊ ')} │{text[:8]:8}┊{text[8:]:8}│\n" for at, part, text in lines_of(data)
    ),
    "groups of four": lambda data: "\n".join(
        f"{at:08x}  {'  '.join(part[place : place + 4].hex(' ') for place in range(0, len(part), 4)):53}  │{text}│"
        for at, part, text in lines_of(data)
    ),
    "WinDbg": lambda data: "\n".join(
        f"0000005a`3f7ff{at:03x}  {part[:8].hex(' ')}-{part[8:].hex(' ')}  {text}" for at, part, text in lines_of(data)
    ),
    "gdb with a name": lambda data: "\n".join(
        f"0x5555{at:04x} <buffer+{at}>:\t" + "\t".join(f"0x{byte:02x}" for byte in part)
        for at, part, _ in lines_of(data, 8)
    ),
    "a table of Markdown": lambda data: (
        "| offset | bytes |\n|---|---|\n"
        + "".join(f"| {at:#06x} | {part.hex(' ')} |\n" for at, part, _ in lines_of(data))
    ),
    "a line of a log, Python": lambda data: f"DEBUG:client's socket:sent {data!r}",
}

DECORATIONS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "BOM": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 big-endian": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 without mark": lambda text: text.encode("utf-16-le"),
    "CRLF": lambda text: (text + "\n").replace("\n", "\r\n").encode(),
    "colours": lambda text: f"\x1b[33m{text}\x1b[0m\n".encode(),
}


@pytest.mark.parametrize("notation", PRINTERS)
@given(frames)
@example(AWKWARD)
def test_a_frame_with_any_body_is_read_in_every_notation(notation: str, frame: bytes) -> None:
    assert bytes_of(PRINTERS[notation](frame)) == frame


@pytest.mark.parametrize(
    ("notation", "decoration"),
    [
        (notation, decoration)
        for notation, printer in PRINTERS.items()
        for decoration in DECORATIONS
        # Without a mark, UTF-16 is recognised in ASCII only.
        if decoration != "UTF-16 without mark" or printer(SHORT).isascii()
    ],
)
def test_encodings_of_text_and_ends_of_lines_do_not_matter(notation: str, decoration: str, tmp_path: Path) -> None:
    path = tmp_path / "pasted.txt"
    path.write_bytes(DECORATIONS[decoration](PRINTERS[notation](SHORT)))
    assert explain(path).output == explain(SHORT.hex()).output


@pytest.mark.parametrize("notation", PRINTERS)
def test_arguments_and_standard_input_are_read_as_files_are(notation: str) -> None:
    text = PRINTERS[notation](SHORT)
    expected = explain(SHORT.hex()).output
    assert explain("--", text).output == expected
    assert explain("-", data=text.encode()).output == expected


@pytest.mark.parametrize(
    "notation", ["HEX", "hex with spaces", "C# BitConverter", "Go %v", "Go %#v", "Node Buffer", "Java Arrays.toString"]
)
@given(st.binary(min_size=8, max_size=100))
def test_bytes_that_are_no_frame_are_read_too(notation: str, data: bytes) -> None:
    assert bytes_of(PRINTERS[notation](data)) == data


BROKEN = {
    "bytes of the magic swapped": b"TF" + SHORT[2:],
    "magic in lower case": b"ft" + SHORT[2:],
    "no magic": SHORT[2:],
    "no reserved bytes": SHORT[:36] + SHORT[44:],
    "big-endian": SHORT[:2] + SHORT[5:1:-1] + SHORT[6:8] + SHORT[11:7:-1] + SHORT[15:11:-1] + SHORT[16:],
    "no digest": SHORT[:16] + bytes(20) + SHORT[36:],
    "cut": SHORT[:-3],
    "padded by a compiler": SHORT[:2] + bytes(2) + SHORT[2:],
    "read as UTF-8": SHORT.decode("utf-8", "replace").encode(),
    "length of 16 bits": SHORT[:14] + SHORT[16:],
}
# Within other text, base64 is recognised by the frame that it begins with.
WHOLE = sorted(
    PRINTERS.keys() - {"base64 in JSON", "base64 in YAML", "a line of a log, pairs", "characters and numbers"}
)


@pytest.mark.parametrize("frame", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("notation", WHOLE)
def test_broken_frames_are_read_as_they_were_printed(notation: str, frame: bytes) -> None:
    assert bytes_of(PRINTERS[notation](frame)) == frame


# --- What programs really print -------------------------------------------------------------------------------------


@good_frames
@pytest.mark.parametrize(
    "words",
    [
        "xxd",
        "xxd -p",
        "xxd -i",
        "xxd -u -g1",
        "xxd -e",
        "xxd -c 8",
        "xxd -c 32 -g 4",
        "xxd -a",
        "hexdump",
        "hexdump -C",
        "od",
        "od -b",
        "od -c",
        "od -x",
        "od -t x1",
        "od -t x4",
        "od -A x -t x1",
        "od -A d -t x1z",
        "od -v -A x -t x1",
    ],
)
def test_dumps_of_files(words: str, frame: bytes, tmp_path: Path) -> None:
    path = tmp_path / "frame.bin"
    path.write_bytes(frame)
    name, *options = words.split()
    printed = require(name)(*options, path)
    assert bytes_of(printed) == frame


PROGRAMS = {
    "go": (
        "main.go",
        """
package main
import ("encoding/base64"; "encoding/hex"; "fmt"; "os")
func main() {
    data, _ := hex.DecodeString(os.Args[1])
    for _, form := range []string{"%v", "%d", "%#v", "%x", "% x", "% X", "%#x", "% #x", "%q", "%+q"} {
        fmt.Printf(form + "\\x00", data)
    }
    fmt.Printf("%v\\x00", struct{ Name string; Data []byte }{"frame", data})
    fmt.Print(hex.Dump(data), "\\x00", base64.RawURLEncoding.EncodeToString(data), "\\x00")
}
""",
    ),
    "rustc": (
        "main.rs",
        r"""
fn main() {
    let digits = std::env::args().nth(1).unwrap();
    let data: Vec<u8> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    print!("{:?}\0{:#?}\0{:x?}\0{:02x?}\0{:X?}\0{:#x?}\0{:#04x?}\0", data, data, data, data, data, data, data);
    print!("b\"{}\"\0Some({:?})\0", data.escape_ascii(), data);
}
""",
    ),
    "node": (
        "main.js",
        r"""
const data = Buffer.from(process.argv[2], "hex");
const util = require("util");
const all = { maxArrayLength: null };
require("buffer").INSPECT_MAX_BYTES = 10000;
const texts = [
    util.inspect(data, all), util.inspect(new Uint8Array(data), all), util.inspect([...data], all),
    util.inspect({ kind: "frame", data }, all), JSON.stringify(data), JSON.stringify(new Uint8Array(data)),
    data.toString("hex"), data.toString("base64"), data.toString("base64url"), JSON.stringify(data.toString("latin1")),
    util.inspect(data.toString("latin1")), String(new Uint8Array(data)),
];
process.stdout.write(texts.map((text) => text + "\0").join(""));
""",
    ),
    "java": (
        "Main.java",
        r"""
import java.util.*;
public class Main {
    public static void main(String[] words) {
        byte[] data = HexFormat.of().parseHex(words[0]);
        System.out.print(Arrays.toString(data) + "\0" + HexFormat.of().formatHex(data) + "\0");
        System.out.print(HexFormat.ofDelimiter(":").withUpperCase().formatHex(data) + "\0");
        System.out.print(HexFormat.ofDelimiter(", ").withPrefix("0x").formatHex(data) + "\0");
        System.out.print(Base64.getEncoder().encodeToString(data) + "\0");
        System.out.print(Base64.getMimeEncoder().encodeToString(data) + "\0");
        System.out.print(Base64.getUrlEncoder().withoutPadding().encodeToString(data) + "\0");
        List<Byte> list = new ArrayList<>();
        for (byte each : data) list.add(each);
        System.out.print("sent: " + list + "\0");
    }
}
""",
    ),
    "mcs": (
        "main.cs",
        r"""
using System; using System.Linq;
class Program {
    static void Main(string[] words) {
        var places = Enumerable.Range(0, words[0].Length / 2);
        var data = places.Select(at => Convert.ToByte(words[0].Substring(2 * at, 2), 16)).ToArray();
        Console.Write(BitConverter.ToString(data) + "\0" + Convert.ToBase64String(data) + "\0");
        Console.Write(Convert.ToBase64String(data, Base64FormattingOptions.InsertLineBreaks) + "\0");
        Console.Write(string.Join(", ", data) + "\0" + string.Join(" ", data) + "\0");
        Console.Write("[" + string.Join(",", data) + "]\0");
        Console.Write(string.Concat(data.Select(each => each.ToString("x2"))) + "\0");
        Console.Write("new byte[] { " + string.Join(", ", data.Select(each => "0x" + each.ToString("X2"))) + " }\0");
    }
}
""",
    ),
}
"""Compiler or interpreter -> its file and source: prints its argument in many ways, each ended by a NUL."""


def printed_by(language: str, folder: Path, frame: bytes) -> list[str]:
    name, source = PROGRAMS[language]
    path = folder / name
    path.write_text(source, encoding="utf-8")
    tool = require(language)
    program = str(folder / "program")
    if language == "go":
        output = tool("run", path, frame.hex())
    elif language == "rustc":
        tool("-o", program, path)
        output = Program(program)(frame.hex())
    elif language == "mcs":
        tool(f"-out:{program}.exe", path)
        output = require("mono")(f"{program}.exe", frame.hex())
    else:
        output = tool(path, frame.hex())
    return output.split("\0")[:-1]


@good_frames
@pytest.mark.parametrize("language", PROGRAMS)
def test_what_languages_print(language: str, frame: bytes, tmp_path: Path) -> None:
    texts = printed_by(language, tmp_path, frame)
    assert len(texts) >= 7
    for text in texts:
        assert bytes_of(text) == frame, text


@good_frames
def test_what_python_prints(frame: bytes) -> None:
    for printed in (repr(frame), repr(list(frame)), repr(tuple(frame)), repr(bytearray(frame)), frame.hex("-", 4)):
        assert bytes_of(printed) == frame


def conversation_of(*sent: tuple[Direction, bytes], link_type: int = LinkType.ETHERNET, mss: int = 40) -> bytes:
    """A pcap file of a connection whose segments are shorter than frames."""
    connection = TcpConversation(captures.CLIENT, captures.SERVER, link_type=link_type, mss=mss)
    writer = PcapWriter(link_type)
    return writer.header() + b"".join(
        writer.packet(captures.START + time, packet)
        for time, packet in connection.frames((side, data, at * 1000) for at, (side, data) in enumerate(sent))
    )


A, B = Direction.A_TO_B, Direction.B_TO_A
SENT = ((A, SHORT), (B, LONG), (A, AWKWARD), (B, LONG[:60]), (A, SHORT), (B, LONG[60:]))
JOINED = SHORT + LONG + AWKWARD + SHORT + LONG
LINK_TYPES = [LinkType.ETHERNET, LinkType.RAW, LinkType.LINUX_SLL, LinkType.LINUX_SLL2, LinkType.NULL]


@pytest.mark.parametrize("link_type", LINK_TYPES, ids=lambda each: each.name)
@pytest.mark.parametrize("option", ["-x", "-X", "-xx", "-XX"])
def test_dumps_of_tcpdump(option: str, link_type: LinkType, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(conversation_of(*SENT, link_type=link_type))
    assert bytes_of(require("tcpdump")("-n", "-r", path, option)) == JOINED


@pytest.mark.parametrize("link_type", LINK_TYPES, ids=lambda each: each.name)
def test_dumps_of_tshark(link_type: LinkType, tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(conversation_of(*SENT, link_type=link_type))
    assert bytes_of(tshark("-r", path, "-x")) == JOINED
    assert bytes_of(tshark("-r", path, "-V", "-x")) == JOINED


@pytest.mark.parametrize(
    "options",
    [
        ("-T", "pdml"),
        ("-T", "json"),
        ("-T", "json", "-x"),
        ("-T", "jsonraw"),
        ("-T", "ek"),
        ("-T", "ek", "-x"),
        ("-q", "-z", "follow,tcp,hex,0"),
        ("-q", "-z", "follow,tcp,raw,0"),
        ("-q", "-z", "follow,tcp,yaml,0"),
    ],
    ids=" ".join,
)
def test_what_tshark_exports(options: tuple[str, ...], tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(conversation_of(*SENT))
    assert bytes_of(tshark("-r", path, *options)) == JOINED


def test_fields_of_tshark(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(conversation_of(*SENT[:3], mss=1448))
    for fields in (["tcp.payload"], ["frame.time_epoch", "ip.src", "tcp.len", "tcp.payload"]):
        words = [word for field in fields for word in ("-e", field)]
        assert bytes_of(tshark("-r", path, "-T", "fields", *words)) == SHORT + LONG + AWKWARD


def test_repeated_packets_are_read_once(tshark: Program, tmp_path: Path) -> None:
    packets = list(PacketReader().feed(conversation_of(*SENT)))
    writer = PcapWriter()
    path = tmp_path / "capture.pcap"
    path.write_bytes(
        writer.header() + b"".join(writer.packet(each.time_ns, each.data) * 2 for each in packets if each.data)
    )
    for options in (("-x",), ("-T", "pdml"), ("-T", "json")):
        assert bytes_of(tshark("-r", path, *options)) == JOINED


def test_one_packet_without_its_connection_is_enough(tshark: Program, tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(conversation_of((A, SHORT), (B, LONG), mss=1448))
    assert bytes_of(tshark("-r", path, "-x", "-Y", "frame.number == 4")) == SHORT
    broken = SHORT[:16] + bytes(20) + SHORT[36:]
    path.write_bytes(conversation_of((A, broken), mss=1448))
    result = explain("-", "--brief", data=tshark("-r", path, "-x", "-Y", "frame.number == 4").encode())
    assert result.exit_code == 3
    assert result.output == explain(broken.hex(), "--brief").output


@pytest.mark.parametrize("options", [("-x",), ("-T", "pdml"), ("-T", "jsonraw")], ids=" ".join)
def test_several_connections_are_explained_as_their_capture_is(
    options: tuple[str, ...], tshark: Program, tmp_path: Path
) -> None:
    writer = PcapWriter()
    path = tmp_path / "capture.pcap"
    other = TcpConversation(captures.CLIENT._replace(port=4444), captures.SERVER)
    both = sorted(
        [
            *TcpConversation(captures.CLIENT, captures.SERVER).frames([(A, SHORT, 1000), (B, LONG, 3000)]),
            *other.frames([(A, SHORT[:16] + bytes(20) + SHORT[36:], 2000), (B, LONG, 4000)]),
        ]
    )
    path.write_bytes(writer.header() + b"".join(writer.packet(time, packet) for time, packet in both))
    pasted = tmp_path / "pasted.txt"
    pasted.write_text(tshark("-r", path, *options), encoding="utf-8")
    expected = json.loads(explain("--json", path).stdout)
    found = json.loads(explain("--json", pasted).stdout)
    assert found["findings"]
    for report in (expected, found):
        for one in report["findings"] + report.get("frames", []):
            one.pop("time", None)
    assert [one["mistake"] for one in found["findings"]] == [one["mistake"] for one in expected["findings"]]
    assert [one["frames"] for one in found["findings"]] == [one["frames"] for one in expected["findings"]]


def c_array(name: str, data: bytes) -> str:
    lines = [", ".join(f"0x{byte:02x}" for byte in data[at : at + 8]) for at in range(0, len(data), 8)]
    return f"char {name}[] = {{ /* Packet 4 */\n" + ", \n".join(lines) + " };\n"


def test_a_stream_followed_as_c_arrays() -> None:
    # The format of Wireshark's dialog, which tshark lacks: peer, and number of the block of that peer.
    text = "".join(c_array(f"peer{side:d}_{count // 2}", data) for count, (side, data) in enumerate(SENT))
    assert bytes_of(text) == JOINED


def test_packets_exported_as_c_arrays() -> None:
    text = ""
    for packet in PacketReader().feed(conversation_of(*SENT)):
        rows = [packet.data[at : at + 8] for at in range(0, len(packet.data), 8)]
        text += f"/* Frame ({len(packet.data)} bytes) */\n\nstatic const unsigned char pkt{packet.number}"
        text += f"[{len(packet.data)}] = {{\n"
        for row in rows:
            shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row).replace("*/", "..")
            text += "".join(f"0x{byte:02x}, " for byte in row) + f"/* {shown} */\n"
        text += "};\n\n"
    assert bytes_of(text) == JOINED


@pytest.mark.parametrize("form", ["hex", "raw", "yaml"])
def test_both_sides_of_a_websocket_connection_are_a_capture(form: str, tshark: Program, tmp_path: Path) -> None:
    vector = next(each for each in VECTORS if each["transport"] == "websocket" and not each["key"])
    path = tmp_path / "capture.pcap"
    path.write_bytes(capture_of(vector))
    pasted = tmp_path / "pasted.txt"
    # Port 11111 is dissected as WebSocket by the upgrade; as TCP it is followed as it was sent.
    pasted.write_text(tshark("-r", path, "-q", "-z", f"follow,tcp,{form},0"), encoding="utf-8")
    expected, found = (json.loads(explain("--json", each).stdout) for each in (path, pasted))
    assert found["findings"]
    assert [one["mistake"] for one in found["findings"]] == [one["mistake"] for one in expected["findings"]]


# --- What is not read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "The quick brown fox jumps over the lazy dog and then the dog jumps over the quick brown fox",
        "check sha error",
        '{"c2s": {"clientVer": 300, "clientID": "go", "recvNotify": true, "subTypeList": [1, 2, 4]}}',
        "-----BEGIN RSA PRIVATE KEY-----\nMIICXAIBAAKBgQC\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nKeyError: 'data'\n",
        "2026-11-22 08:02:33 connected to 127.0.0.1:11111, retType -1 [12, 13]",
        "FT..................PyNormal.. .........(.2.Python8.",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709\nAuthor: someone\n",
        "解析protobuf协议失败",
        "[70, 84, 300]",
        "[46, zz]",
    ],
)
def test_other_text_cannot_be_read_and_is_no_bad_frame(text: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    result = explain(path)
    assert result.exit_code == 1
    assert "text that cannot be read" in result.stderr
    assert result.stdout == ""
    assert explain("--", text).exit_code == 1


def test_decimal_numbers_are_not_hexadecimal() -> None:
    assert bytes_of("[70, 84, 22, 33]") == bytes([70, 84, 22, 33])
    assert bytes_of("[46, 54, e9, 3]") == bytes.fromhex("4654e903")


@pytest.mark.parametrize("name", ["[B@1b6d3586", "System.Byte[]", "<memory at 0x7f2a>", "[object ArrayBuffer]"])
def test_the_name_of_an_array_is_not_its_bytes(name: str) -> None:
    result = explain("-", data=f"sent {name}\n".encode())
    assert result.exit_code == 1
    assert f"{name!r} names an array, print its bytes in hexadecimal" in result.stderr


def test_what_node_left_out_is_named() -> None:
    shown = f"<Buffer {SHORT[:50].hex(' ')} ... {len(SHORT) - 50} more bytes>"
    result = explain(shown)
    assert result.exit_code == 3
    assert f"{len(SHORT) - 50} more bytes" in result.output
    items = f"Uint8Array(157) [\n  {', '.join(map(str, AWKWARD[:100]))},\n  ... 57 more items\n]"
    assert bytes_of(items) == AWKWARD[:100]
    assert "57 more items" in explain(items).output


def test_several_frames_are_explained_in_order() -> None:
    texts = [
        PRINTERS[name] for name in ("Go %v", "Rust {:?}", "Node Buffer", "Python repr", "base64", "C# BitConverter")
    ]
    for printer in texts:
        text = printer(SHORT) + "\n\n" + printer(LONG) + "\n" + printer(SHORT)
        assert bytes_of(text) == SHORT + LONG + SHORT


@given(st.binary(max_size=200))
def test_bytes_that_are_no_text_are_taken_as_they_are(data: bytes) -> None:
    assert text_of(SHORT + data) is None
    assert text_of(AWKWARD[: 44 + len(data)]) is None


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    reading = read_text(text)
    assert reading is None or reading.data or reading.capture


PIECES = [
    "46 ",
    "[",
    "]",
    "{",
    "70,",
    '"',
    "'",
    "\\x46",
    "\\",
    "/*",
    "*/",
    "//",
    "00000000: ",
    "\n",
    "*",
    "4654",
    "RlTp",
]
PIECES += [
    '"frame_raw": ["',
    '<field name="tcp.seq" ',
    ' show="',
    "peer: 0\n",
    "data: !!binary |\n",
    "\t",
    "46:",
    "... ",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_pieces_of_notations_are_read_or_refused(pieces: list[str]) -> None:
    reading = read_text("".join(pieces))
    assert reading is None or reading.data or reading.capture


def test_a_line_that_stands_for_many_is_bounded() -> None:
    assert read_text("00000000  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n*\nffffffff0\n") is None
