"""What was expected and what came, as text and as a JUnit report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from ftwire_tools.conformance.judging import ABSENT, FAILED, UNSUPPORTED, VectorResult, differences
from ftwire_tools.terminal.output_file import write_file
from ftwire_tools.terminal.style import printable

__all__ = ["difference_lines", "title", "value_lines", "write_junit"]

SHOWN: Final = 3
"""Differences of one answer that are shown."""
BEFORE, WIDTH = 16, 64
"""Characters of a long value that are shown: of them in front of the first difference, and in all."""


def title(result: VectorResult) -> str:
    """Return a failure in one line: the vector, what it is about, and what is wrong."""
    vector = result.vector
    return printable(f"{vector['id']} {vector['operation']}: {vector['comment']}: {result.reason}")


def difference_lines(result: VectorResult) -> list[str]:
    """Return the values of an answer that are not as expected: one line each, three where they are long.

    None for a program that did not answer.
    """
    if result.answer is None:
        return []
    found = differences(result.vector, result.answer)
    lines = []
    for path, expected, got in found[:SHOWN]:
        at = _first_difference(expected, got)
        place = path if at is None else f"{path}, from byte {at // 2} on"
        right, wrong = _value(expected, at), _value(got, at)
        if at is None and max(len(right), len(wrong)) <= WIDTH // 2:
            lines.append(f"{place}: expected {right}, got {wrong}")
        else:
            lines += [f"{place}:", f"  expected  {right}", f"  got       {wrong}"]
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN} more values")
    return [printable(line) for line in lines]


def value_lines(values: Mapping[str, Any]) -> Iterator[str]:
    """Return an input or output as lines of name and value, in full."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        if isinstance(value, list):
            yield f"{name:<{width}}  {len(value)} item{'s' * (len(value) != 1)}"
            yield from (f"{'':<{width}}    {_text(item)}" for item in value)
        else:
            yield f"{name:<{width}}  {_text(value)}"


def _text(value: object) -> str:
    return printable(value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False))


def _first_difference(expected: object, got: object) -> int | None:
    """Return where two long texts of hexadecimal differ: the index of the first such byte's first digit.

    ``None`` for other values.
    """
    if not (isinstance(expected, str) and isinstance(got, str)) or max(len(expected), len(got)) <= WIDTH:
        return None
    shorter = min(len(expected), len(got))
    return next((at for at in range(shorter) if expected[at] != got[at]), shorter) & ~1


def _value(value: object, at: int | None) -> str:
    """Return a value as text, cut to ``WIDTH`` characters around the index ``at``."""
    if value is ABSENT:
        return "nothing"
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    start = max(0, (at or 0) - BEFORE)
    length = "" if at is None else f" ({len(text) // 2} bytes)"
    return f"{'…' * (start > 0)}{text[start : start + WIDTH]}{'…' * (len(text) > start + WIDTH)}{length}"


def write_junit(path: Path, results: Sequence[VectorResult], stopped: str) -> None:
    """Write results as a JUnit report: a suite for each group, a case for each vector.

    Vectors that the program does not support are skipped cases. ``stopped`` is why the run ended before its last
    vector, an error in a suite of its own; empty where it did not. Raises ``OSError``.
    """
    root = ElementTree.Element("testsuites", name="ftwire vectors")
    by_group: dict[str, list[VectorResult]] = {}
    for result in results:
        by_group.setdefault(result.group, []).append(result)
    for group, of_group in by_group.items():
        suite = ElementTree.SubElement(root, "testsuite", name=printable(group))
        for result in of_group:
            _case(suite, result)
        outcomes = [result.outcome for result in of_group]
        _count(suite, failures=outcomes.count(FAILED), skipped=outcomes.count(UNSUPPORTED))
        suite.set("time", f"{sum(result.seconds for result in of_group):.3f}")
    if stopped:
        suite = ElementTree.SubElement(root, "testsuite", name="program")
        case = ElementTree.SubElement(suite, "testcase", classname="vectors", name="the program answers")
        ElementTree.SubElement(case, "error", message=printable(stopped))
        _count(suite, errors=1)
    ElementTree.indent(root)
    data = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
    write_file(path, data, overwrite=True)


def _case(suite: ElementTree.Element, result: VectorResult) -> None:
    vector = result.vector
    name = printable(f"{vector['id']} {vector['operation']}: {vector['comment']}")
    classname = printable(f"vectors.{result.group}")
    case = ElementTree.SubElement(suite, "testcase", classname=classname, name=name, time=f"{result.seconds:.3f}")
    if result.outcome == FAILED:
        failure = ElementTree.SubElement(case, "failure", message=printable(result.reason))
        failure.text = "\n".join(difference_lines(result))
    elif result.outcome == UNSUPPORTED:
        ElementTree.SubElement(case, "skipped", message="the program does not support it")


def _count(suite: ElementTree.Element, *, failures: int = 0, errors: int = 0, skipped: int = 0) -> None:
    counts = {"tests": len(suite), "failures": failures, "errors": errors, "skipped": skipped}
    for name, count in counts.items():
        suite.set(name, str(count))
