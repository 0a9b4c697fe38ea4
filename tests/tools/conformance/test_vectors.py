"""The golden vectors, and the command that holds a program against them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.make_vectors import FLAGS, GROUPS, VECTORS
from ftwire import errors
from ftwire_tools.conformance.judging import judge
from support.places import ROOT
from support.vector_program import OPERATIONS, answer

PROGRAM = ROOT / "tests" / "support" / "vector_program.py"
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


def check(*options: str, program: str = f"{sys.executable} {PROGRAM}") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "ftwire_tools.cli", "vectors", "check", "--command", program, *options]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)


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


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("if question['id'] == 'sha1-2': sys.exit(9)", "the program ended, exit code 9"),
        ("if question['id'] == 'sha1-2': time.sleep(60)", "no answer within 2 s"),
        ("if question['id'] == 'sha1-2': print('x', flush=True); continue", "the answer is not JSON"),
        ("if question['id'] == 'sha1-2': said['id'] = 'sha1-1'", "not an object with the question's id"),
        ("if question['id'] == 'sha1-2': said = []", "not an object with the question's id"),
        ("if question['id'] == 'sha1-2': print('[' * 100000, flush=True); continue", "the answer is not JSON"),
        ("if question['id'] == 'sha1-2': said.pop('output')", "without output, error or unsupported"),
    ],
)
def test_a_program_that_fails_at_one_vector_is_asked_the_others(body: str, why: str, tmp_path: Path) -> None:
    done = check("--group", "sha1", "--timeout", "2", program=script(tmp_path, body))
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
    (tmp_path / "bad.json").write_text("{")
    assert "no file of vectors" in check("--vectors", str(tmp_path)).stderr


def test_help_has_an_example() -> None:
    words = [sys.executable, "-m", "ftwire_tools.cli", "vectors", "check", "--help"]
    assert (
        "ftwire vectors check --command 'node"
        in subprocess.run(words, capture_output=True, text=True, check=True).stdout
    )
