"""The golden vectors, and the command that holds a program against them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from fixtures.make_vectors import FLAGS, GROUPS, VECTORS
from ftwire import errors
from ftwire_tools.conformance.judging import judge
from support.command import FTWIRE
from support.places import ROOT
from support.vector_program import OPERATIONS, answer

PROGRAM = ROOT / "tests" / "support" / "vector_program.py"
DOCS = (ROOT / "docs" / "vectors.md").read_text()
FILES = {group: json.loads((VECTORS / f"{group}.json").read_text()) for group in GROUPS}
ALL = [(group, vector) for group, file in FILES.items() for vector in file["tests"]]


@pytest.mark.parametrize("group", GROUPS)
def test_files_are_as_their_schema_says_and_as_their_script_makes_them(group: str) -> None:
    file = FILES[group]
    jsonschema.Draft202012Validator(json.loads((VECTORS / "vectors.schema.json").read_text())).validate(file)
    assert file["numberOfTests"] == len(file["tests"])
    made = [{"id": f"{group}-{number}"} | case for number, case in enumerate(GROUPS[group][1](), 1)]
    assert made == file["tests"]
    assert {flag for vector in file["tests"] for flag in vector["flags"]} == set(file["flags"])


def test_every_group_has_good_and_bad_input_and_every_flag_is_used() -> None:
    for group, file in FILES.items():
        results = {vector["result"] for vector in file["tests"]}
        assert results == {"valid"} if group in {"sha1", "stream"} else results == {"valid", "invalid"}
    assert {flag for _, vector in ALL for flag in vector["flags"]} == set(FLAGS)
    assert {vector["origin"] for _, vector in ALL} == {"ftwire", "futu-api 10.11.7108", "futu-api 6.2.2708"}


def test_no_two_vectors_ask_the_same() -> None:
    asked = [json.dumps([group, vector["operation"], vector["input"], vector["origin"]]) for group, vector in ALL]
    assert len(asked) == len(set(asked)) or [each for each in asked if asked.count(each) > 1] == []


@pytest.mark.parametrize("group", GROUPS)
def test_the_library_answers_every_vector_and_names_errors_as_the_file_does(group: str) -> None:
    for vector in FILES[group]["tests"]:
        said = answer({"group": group} | vector)
        if "RandomPadding" in vector["flags"]:
            again = answer({"group": group} | vector)
            assert said["output"] != again["output"] or not vector["input"]["body"], vector["id"]
            assert judge(vector, said) == judge(vector, again) == ("passed", ""), vector["id"]
        elif vector["result"] == "valid":
            assert said.get("output") == vector["expected"], vector["id"]
        else:
            assert said.get("error") == vector["error"], vector["id"]
            assert hasattr(errors, vector["error"])
    assert {(group, vector["operation"]) for vector in FILES[group]["tests"]} == {
        key for key in OPERATIONS if key[0] == group
    }


# The command


def vectors(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*FTWIRE, "vectors", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def check(*options: str | Path, program: str = f"{sys.executable} {PROGRAM}") -> subprocess.CompletedProcess[str]:
    return vectors("check", "--command", program, *options)


def script(tmp_path: Path, body: str) -> str:
    """A program that answers as ours does, but for ``body``, which may change question or answer."""
    path = tmp_path / "program.py"
    path.write_text(
        f"import json, sys, time\nsys.path.insert(0, {str(PROGRAM.parent)!r})\nimport vector_program as program\n"
        "for line in sys.stdin:\n"
        "    question = json.loads(line)\n"
        "    said = program.answer(question)\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
        + "    print(json.dumps(said), flush=True)\n"
    )
    return f"{sys.executable} {path}"


def test_the_scorecard_of_the_library() -> None:
    done = check()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[-1].split() == ["total", str(len(ALL)), "of", str(len(ALL)), "passed"]
    assert len(lines) == len(GROUPS) + 1


def test_json_has_a_line_for_every_vector_and_the_score() -> None:
    done = check("--json", "--group", "sha1", "--group", "header")
    *lines, score = map(json.loads, done.stdout.splitlines())
    assert [line["outcome"] for line in lines] == ["passed"] * len(lines)
    assert score["total"] == {"passed": len(lines)}
    assert score["score"].keys() == {"sha1", "header"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("said['output']['payload'] = '00' * 128", "wrong: body"),
        ("said['output']['payload'] = said['output']['payload'][:-2]", "wrong: body"),
        ("said['output']['payload'] = 'no bytes'", "wrong: body"),
        ("said['output'] = {'body': question['input']['body'] + '00'}", "wrong: body"),
        ("said['output']['more'] = 1", "not asked for: more"),
        ("question['input']['body'] = question['input']['body'][2:]; said = program.answer(question)", "wrong: body"),
    ],
)
def test_a_payload_that_differs_each_time_is_opened_and_not_believed(body: str, why: str, tmp_path: Path) -> None:
    asked = [vector["id"] for _, vector in ALL if "RandomPadding" in vector["flags"] and vector["input"]["body"]]
    done = check("--json", *(word for each in asked for word in ("--id", each)), program=script(tmp_path, body))
    assert done.returncode == 1
    *verdicts, _ = map(json.loads, done.stdout.splitlines())
    assert {verdict["why"] for verdict in verdicts} == {why}
    assert len(verdicts) == len(asked) > 10


MISTAKES = {
    "never refuses": ("said.pop('error', None); said.setdefault('output', {})", "must be refused"),
    "refuses all": ("said = {'id': question['id'], 'error': 'no'}", "refused: no"),
    "wrong value": ("if 'output' in said and 'body' in said['output']: said['output']['body'] = '00'", "wrong: body"),
    "extra value": ("if 'output' in said: said['output']['more'] = 1", "not asked for: more"),
    "true for 1": ("for k, v in said.get('output', {}).items(): said['output'][k] = True if v == 1 else v", "wrong:"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_wrong_answers_fail(name: str, tmp_path: Path) -> None:
    body, why = MISTAKES[name]
    done = check("--group", "frame", "--group", "header", program=script(tmp_path, body))
    assert done.returncode == 1
    assert why in done.stdout


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("change", "flag"),
    [
        # Each is a mistake of client authors, made in one place.
        ("program.body_digest", "WrongDigest"),
        ("big-endian", "BigEndian"),
        ("tail", "TailByte"),
        ("chain", "IvChain"),
    ],
)
def test_the_mistakes_of_client_authors_are_found(change: str, flag: str, tmp_path: Path) -> None:
    bodies = {
        "program.body_digest": "import ftwire.frame as f, ftwire.stream as s\n"
        "if question['group'] == 'frame' and 'error' in said: said = {'id': question['id'], 'output': {}}",
        "big-endian": "if question['group'] == 'header' and 'output' in said and 'protoId' in said['output']:\n"
        "    said['output']['protoId'] = int.from_bytes(said['output']['protoId'].to_bytes(4, 'little'), 'big')",
        "tail": "if question['group'] == 'ftaes_ecb' and question['operation'] == 'decrypt' and 'output' in said:\n"
        "    raw = bytes.fromhex(question['input']['payload'])\n"
        "    if raw[-1] == 0: said['output']['body'] = said['output']['body'][:-32]",
        "chain": "if question['group'] == 'stream' and question['input']['cipher']['name'] == 'aes_cbc':\n"
        "    said['output']['events'] = said['output']['events'][:1]",
    }
    done = check("--json", "--all", program=script(tmp_path, bodies[change]))
    failed = [line for line in map(json.loads, done.stdout.splitlines()) if line.get("outcome") == "failed"]
    assert done.returncode == 1
    assert any(flag in line["flags"] for line in failed)


def test_unsupported_is_no_failure(tmp_path: Path) -> None:
    done = check("--group", "sha1", program=script(tmp_path, "said = {'id': question['id'], 'unsupported': True}"))
    assert done.returncode == 0
    assert f"0 of {len(FILES['sha1']['tests']):>4} passed, {len(FILES['sha1']['tests'])} unsupported" in done.stdout


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("if question['id'] == 'sha1-2': sys.exit(9)", "the program ended, exit code 9"),
        ("if question['id'] == 'sha1-2': time.sleep(60)", "no answer within 5 s"),
        ("if question['id'] == 'sha1-2': print('x', flush=True); continue", "the answer is not JSON"),
        ("if question['id'] == 'sha1-2': said['id'] = 'sha1-1'", "not an object with the question's id"),
        ("if question['id'] == 'sha1-2': said = []", "not an object with the question's id"),
        ("if question['id'] == 'sha1-2': print('[' * 100000, flush=True); continue", "the answer is not JSON"),
        ("if question['id'] == 'sha1-2': said.pop('output')", "without output, error or unsupported"),
    ],
)
def test_a_program_that_fails_at_one_vector_is_asked_the_others(body: str, why: str, tmp_path: Path) -> None:
    # Enough for a busy machine to start Python, but where the time has to pass.
    done = check("--group", "sha1", "--timeout", "5" if "sleep" in body else "60", program=script(tmp_path, body))
    assert done.returncode == 1
    assert why in done.stdout
    assert f"{len(FILES['sha1']['tests']) - 1:>4} of" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "program", "code", "why"),
    [
        ((), "/no/such/program", 1, "/no/such/program: No such file"),
        ((), "false", 1, "not one of the first 3 answers came"),
        ((), "'", 2, "No closing quotation"),
        ((), "", 2, "names no program"),
        (("--group", "nothing"), "true", 2, "'nothing' is none of"),
        (("--id", "sha1-999"), "true", 2, "no vector 'sha1-999'"),
        (("--vectors", "/no/such/folder"), "true", 1, "no files of vectors"),
        (("--timeout", "0"), "true", 2, "--timeout"),
        (("--junit", "/no/such/folder/file.xml"), "true", 2, "'/no/such/folder' is no directory"),
        (("--junit", "/"), "true", 2, "is a directory"),
    ],
)
def test_wrong_usage_is_one_line(options: tuple[str, ...], program: str, code: int, why: str) -> None:
    done = check(*options, program=program)
    assert done.returncode == code
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_one_vector_by_its_id_and_vectors_of_ones_own(tmp_path: Path) -> None:
    done = check("--id", "sha1-2", "--json")
    assert json.loads(done.stdout.splitlines()[0])["id"] == "sha1-2"
    own: dict[str, Any] = {"group": "mine", "tests": [FILES["sha1"]["tests"][0] | {"id": "mine-1"}]}
    (tmp_path / "mine.json").write_text(json.dumps(own))
    done = check("--vectors", str(tmp_path))
    assert done.stdout.splitlines()[-1].split() == ["total", "0", "of", "1", "passed,", "1", "unsupported"]
    for bad in ("{", "[]", '{"group": "x"}', '{"group": "x", "tests": [1]}', '{"group": "x", "tests": [{"id": 1}]}'):
        (tmp_path / "bad.json").write_text(bad)
        done = check("--vectors", str(tmp_path))
        assert "bad.json: no file of vectors" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("member", ["id", "comment", "flags", "operation", "input", "result", "origin", "expected"])
def test_a_vector_that_lacks_something_is_no_vector(member: str, tmp_path: Path) -> None:
    vector = dict(FILES["sha1"]["tests"][0])
    del vector[member]
    (tmp_path / "mine.json").write_text(json.dumps({"group": "mine", "tests": [vector]}))
    done = check("--vectors", tmp_path)
    assert done.returncode == 1
    assert "mine.json: no file of vectors" in done.stderr
    assert member in done.stderr


def test_help_has_an_example() -> None:
    words = [*FTWIRE, "vectors", "check", "--help"]
    assert (
        "ftwire vectors check --command 'node"
        in subprocess.run(words, capture_output=True, text=True, check=True).stdout
    )


# Expected against got


def differences_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize(
    ("vector", "body", "shown"),
    [
        ("header-1", "said['output']['serial'] = 2", ["serial: expected 1, got 2"]),
        ("header-1", "said['output']['serial'] = True", ["serial: expected 1, got true"]),
        ("header-1", "del said['output']['serial']", ["serial: expected 1, got nothing"]),
        ("header-1", "said['output']['more'] = {'a': []}", ['more: expected nothing, got {"a": []}']),
        ("header-1", "said = {'id': said['id'], 'output': {}}",
         ["protoId: expected 1001, got nothing", "bodyFormat: expected 0, got nothing",
          "version: expected 0, got nothing", "and 4 more values"]),
        ("sha1-1", "said = {'id': said['id'], 'error': 'no'}",
         ["sha1:", "expected  da39a3ee5e6b4b0d3255bfef95601890afd80709", "got       nothing"]),
        ("sha1-1", "said['output']['sha1'] = ''",
         ["sha1:", "expected  da39a3ee5e6b4b0d3255bfef95601890afd80709", 'got       ""']),
        ("header-22", "said = {'id': said['id'], 'output': {'protoId': 7}}", ["protoId: expected nothing, got 7"]),
        ("stream-1", "said['output']['events'][1]['body'] = '00'", ['events[1].body: expected "", got 00']),
        ("stream-1", "said['output']['events'].pop()", ["events[2]:"]),
        ("sha1-2", "said['output']['sha1'] = '\x1b[31m'", ["got       \\x1b[31m"]),
        ("frame-2", "d = said['output']['data']; said['output']['data'] = d[:100] + 'ff' + d[102:]",
         ["data, from byte 50 on:"]),
        ("frame-2", "d = said['output']['data']; said['output']['data'] = 'ff' + d[2:]", ["data, from byte 0 on:"]),
        ("frame-2", "d = said['output']['data']; said['output']['data'] = d[:-2]", ["data, from byte 289 on:"]),
        ("frame-2", "d = said['output']['data']; said['output']['data'] = d + '00'", ["data, from byte 290 on:"]),
    ],
)  # fmt: skip
def test_a_failure_shows_what_was_expected_and_what_came(
    vector: str, body: str, shown: list[str], tmp_path: Path
) -> None:
    done = check("--id", vector, program=script(tmp_path, body))
    assert done.returncode == 1
    lines = differences_of(done)
    assert [line for line in shown if line not in lines] == []
    assert len(lines) == len(shown) or len(shown) == 1


def test_long_values_are_cut_around_the_first_difference(tmp_path: Path) -> None:
    body = "d = said['output']['data']; said['output']['data'] = d[:100] + 'ff' + d[102:]"
    done = check("--id", "frame-2", program=script(tmp_path, body))
    right = next(vector for vector in FILES["frame"]["tests"] if vector["id"] == "frame-2")["expected"]["data"]
    _, expected, got = differences_of(done)
    assert expected == f"expected  …{right[84:148]}… (290 bytes)"
    assert got == f"got       …{right[84:100]}ff{right[102:148]}… (290 bytes)"


def test_no_answer_has_nothing_to_compare(tmp_path: Path) -> None:
    done = check("--group", "sha1", program=script(tmp_path, "if question['id'] == 'sha1-2': sys.exit(9)"))
    assert differences_of(done) == []
    assert "exit code 9" in done.stdout


# Junit reports

PYTEST = """
import pytest

def test_passed(): pass
def test_failed(): assert 0
def test_skipped(): pytest.skip("no")
@pytest.fixture
def broken(): raise OSError
def test_error(broken): pass
"""


def facts_of(path: Path) -> dict[str, set[str]]:
    """The elements of a report with their attributes, and which elements are in which."""
    found: dict[str, set[str]] = {}
    for element in ElementTree.parse(path).iter():  # noqa: S314 - our own and pytest's
        found.setdefault(element.tag, set()).update(element.attrib, (f"<{inner.tag}>" for inner in element))
    return found


def test_a_report_has_what_pytest_writes_and_its_counts_agree(tmp_path: Path) -> None:
    """pytest's report is what every reader of JUnit's understands."""
    (tmp_path / "test_it.py").write_text(PYTEST)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", "/dev/null"]
    subprocess.run(
        [*words, "--junitxml", tmp_path / "pytest.xml", tmp_path / "test_it.py"], capture_output=True, check=False
    )
    body = (
        "if question['id'] == 'sha1-2': said['output']['sha1'] = '\\x00\\ud800&<'\n"
        "if question['id'] == 'sha1-3': said = {'id': 'sha1-3', 'unsupported': True}"
    )
    report = tmp_path / "ours.xml"
    report.write_text("an older one")
    done = check("--group", "sha1", "--group", "header", "--junit", report, program=script(tmp_path, body))
    assert done.returncode == 1
    assert [path.name for path in tmp_path.glob("*ours*")] == ["ours.xml"]
    theirs = facts_of(tmp_path / "pytest.xml")
    for tag, attributes in facts_of(report).items():
        assert attributes <= theirs[tag] | {"<testsuite>"}, tag
    root = ElementTree.parse(report).getroot()  # noqa: S314 - our own
    assert root.tag == "testsuites"
    for suite in root:
        cases = suite.findall("testcase")
        assert len(cases) == int(suite.get("tests", "")) == len(FILES[suite.get("name", "")]["tests"])
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name, "")) == len(suite.findall(f"testcase/{tag}"))
    (failure,) = root.iter("failure")
    assert failure.get("message") == "wrong: sha1"
    assert failure.text == "sha1:\n  expected  a9993e364706816aba3e25717850c26c9cd0d89d\n  got       \\x00\\ud800&<"
    assert len(list(root.iter("skipped"))) == 1


@pytest.mark.parametrize("program", ["false", "/no/such/program"])
def test_a_program_that_never_answers_is_an_error_in_the_report(program: str, tmp_path: Path) -> None:
    report = tmp_path / "ours.xml"
    done = check("--junit", report, program=program)
    assert done.returncode == 1
    (error,) = ElementTree.parse(report).getroot().iter("error")  # noqa: S314 - our own
    assert error.get("message", "") in done.stderr
    assert error.get("message")


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = check("--id", "sha1-1", "--junit", tmp_path / ("x" * 300))
    assert (done.returncode, done.stdout) == (1, "")
    assert "File name too long" in done.stderr
    assert "Traceback" not in done.stderr


# list and show


def test_list_has_a_line_for_every_vector_in_its_group() -> None:
    done = vectors("list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == len(ALL) + len(GROUPS)
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [
        vector["id"] for group in sorted(GROUPS) for vector in FILES[group]["tests"]
    ]
    assert "  frame-50   decode      invalid  a digest of zeros  WrongDigest" in re.sub(
        r"(frame-50) +", r"\1   ", done.stdout
    )
    assert "sha1: The digest of a plain body." in lines


def test_list_by_group_and_flag() -> None:
    done = vectors("list", "--group", "stream", "--flag", "WrongDigest", "--flag", "Chunked", "--json")
    (line,) = map(json.loads, done.stdout.splitlines())
    (vector,) = (each for each in FILES["stream"]["tests"] if {"WrongDigest", "Chunked"} <= set(each["flags"]))
    assert line == {"group": "stream"} | {
        name: vector[name] for name in ("id", "comment", "flags", "operation", "result", "origin")
    }


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("list", "--flag", "Nothing"), 2, "'Nothing' is none of AbsentIsNotEmpty, "),
        (("list", "--group", "sha1", "--flag", "WrongMagic"), 2, "'WrongMagic' is none of EmptyBody"),
        (("list", "--group", "frame", "--flag", "WrongDigest", "--flag", "VendorSdk"), 1,
         "no vector has WrongDigest and VendorSdk"),
        (("list", "--vectors", "/no/such/folder"), 1, "no files of vectors"),
        (("show",), 2, "Missing argument 'ID...'"),
        (("show", "sha1-1", "sha1-999"), 2, "no vector 'sha1-999' (ftwire vectors list shows all)"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(words: tuple[str, ...], code: int, why: str) -> None:
    done = vectors(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert why in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_show_gives_the_question_and_an_answer_that_passes() -> None:
    """What it says that a program writes is judged right, whatever the group."""
    ids = [FILES[group]["tests"][at]["id"] for group in GROUPS for at in (0, -1)]
    done = vectors("show", *ids)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    asked = [json.loads(lines[at + 1]) for at, line in enumerate(lines) if line == "a program reads, in one line:"]
    said = [json.loads(lines[at + 1]) for at, line in enumerate(lines) if line == "and writes:"]
    assert {question["id"] for question in asked} == set(ids)
    by_id = {vector["id"]: (group, vector) for group, vector in ALL}
    for question, reply in zip(asked, said, strict=True):
        group, vector = by_id[question["id"]]
        assert question == {name: vector[name] for name in ("id", "operation", "input")} | {"group": group}
        assert reply["id"] == question["id"]
        if "RandomPadding" not in vector["flags"]:
            assert judge(vector, reply) == ("passed", "")


def test_show_names_what_a_flag_means_and_every_value() -> None:
    text = vectors("show", "stream-14").stdout
    vector = next(each for each in FILES["stream"]["tests"] if each["id"] == "stream-14")
    assert text.startswith(f"stream-14: {vector['comment']}\n")
    for flag in vector["flags"]:
        assert f"{flag}: {FLAGS[flag]}" in text
    assert f"chunks   {len(vector['input']['chunks'])} items" in text
    assert "    fatal" not in text
    assert "  fatal    false" in text
    assert "ftwire raises TruncatedHeaderError" in vectors("show", "header-22").stdout


def test_show_as_json_is_the_vector() -> None:
    lines = list(map(json.loads, vectors("show", "sha1-2", "header-22", "--json").stdout.splitlines()))
    by_id = {vector["id"]: {"group": group} | vector for group, vector in ALL}
    assert lines == [by_id["header-22"], by_id["sha1-2"]]


# docs/vectors.md


def test_the_table_of_operations_is_what_the_vectors_have() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*) \| (.*) \|$", DOCS, re.MULTILINE)
    told = {(group, operation): tuple(re.findall(r"\w+", each) for each in inout) for group, operation, *inout in rows}
    assert told.keys() == {(group, vector["operation"]) for group, vector in ALL}
    for group, vector in ALL:
        given, output = told[group, vector["operation"]]
        assert set(vector["input"]) == set(given), vector["id"]
        if "RandomPadding" in vector["flags"]:
            assert (set(vector["expected"]), set(output)) == ({"body"}, {"payload"})
        elif vector["result"] == "valid":
            assert set(vector["expected"]) == set(output), vector["id"]


def test_its_example_is_a_vector_and_it_counts_them_all() -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    question, reply = map(json.loads, block.splitlines())
    vector = next(vector for _, vector in ALL if vector["id"] == question["id"])
    assert question == {name: vector[name] for name in ("id", "operation", "input")} | {"group": question["group"]}
    assert judge(vector, reply) == ("passed", "")
    assert f"brings {len(ALL)} small cases" in DOCS


def test_its_scorecard_is_what_is_printed(tmp_path: Path) -> None:
    """Of a program that hashes the ciphertext, checks no digest, and leaves the padding of FTAES in place."""
    (example, shown) = re.findall(
        r"^\$ (ftwire vectors check [^\n]*--id[^\n]*)\n```\n\n```\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL
    )[0]
    body = (
        "if question['operation'] == 'decrypt':\n"
        "    said['output']['body'] = said['output']['body'].ljust(32, '0')\n"
        "if question['operation'] == 'encode':\n"
        "    import hashlib\n"
        "    data = bytes.fromhex(said['output']['data'])\n"
        "    said['output']['data'] = (data[:16] + hashlib.sha1(data[44:]).digest() + data[36:]).hex()\n"
        "if question['operation'] == 'decode':\n"
        "    said = {'id': question['id'], 'output': {'protoId': 3008}}"
    )
    words = shlex.split(example)
    options = words[words.index("./decoder") + 1 :]
    assert check(*options, program=script(tmp_path, body)).stdout == shown
