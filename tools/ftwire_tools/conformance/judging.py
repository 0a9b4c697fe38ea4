"""Asking a program every vector, and judging its answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from ftwire.cipher import Rsa, RsaKey
from ftwire.errors import CipherError
from ftwire_tools.conformance.program import NoAnswerError, ProgramUnderTest
from ftwire_tools.conformance.vectors import Vector, VectorGroup, question

__all__ = [
    "ABSENT",
    "FAILED",
    "PASSED",
    "UNSUPPORTED",
    "Difference",
    "VectorResult",
    "differences",
    "judge",
    "run_vectors",
]

PASSED, FAILED, UNSUPPORTED = "passed", "failed", "unsupported"
PATIENCE: Final = 3
"""A program that answers none of this many vectors is not asked the others."""
ABSENT: Final = object()
"""In a ``Difference``: there is no such value."""


class Difference(NamedTuple):
    """One value of an answer that is not as expected."""

    path: str
    """Where it is in the output, such as ``events[2].body``."""
    expected: object
    """What a right answer has there; ``ABSENT`` where it has nothing."""
    got: object
    """What the answer has there; ``ABSENT`` where it has nothing."""


class VectorResult(NamedTuple):
    """The outcome of one vector."""

    vector: Vector
    group: str
    outcome: str
    """``passed``, ``failed`` or ``unsupported``."""
    reason: str
    """Why it failed; empty otherwise."""
    answer: dict[str, Any] | None
    """What the program answered; ``None`` where it did not."""
    seconds: float
    """How long it took to answer."""


def run_vectors(program: ProgramUnderTest, groups: Iterable[VectorGroup]) -> Iterator[VectorResult]:
    """Ask a program every vector.

    Raises ``NoAnswerError`` where none of the first ``PATIENCE`` vectors is answered, and ``OSError`` where the
    program cannot be started.
    """
    unanswered, answered = 0, False
    for group in groups:
        for vector in group.vectors:
            begin = time.monotonic()
            try:
                answer = program.ask(question(group.name, vector))
            except NoAnswerError as error:
                unanswered += 1
                if not answered and unanswered == PATIENCE:
                    raise NoAnswerError(f"{error}; not one of the first {PATIENCE} answers came") from None
                seconds = time.monotonic() - begin
                yield VectorResult(vector, group.name, FAILED, str(error), None, seconds)
                continue
            answered = True
            outcome, reason = judge(vector, answer)
            yield VectorResult(vector, group.name, outcome, reason, answer, time.monotonic() - begin)


def judge(vector: Vector, answer: dict[str, Any]) -> tuple[str, str]:
    """Return the outcome of an answer, and the reason of a failure."""
    if answer.get("unsupported") is True:
        return UNSUPPORTED, ""
    error = answer.get("error")
    if vector["result"] == "invalid":
        if error:
            return PASSED, ""
        return FAILED, f"taken, but it must be refused ({vector['error']})"
    if error:
        return FAILED, f"refused: {error}"
    if not isinstance(answer.get("output"), dict):
        return FAILED, "an answer without output, error or unsupported"
    names = dict.fromkeys(each.path.partition(".")[0].partition("[")[0] for each in differences(vector, answer))
    wrong = [name for name in vector["expected"] if name in names]
    if wrong:
        return FAILED, f"wrong: {', '.join(wrong)}"
    return (FAILED, f"not asked for: {', '.join(sorted(names))}") if names else (PASSED, "")


def differences(vector: Vector, answer: dict[str, Any]) -> list[Difference]:
    """Return where an answer's output is not as expected, members that are not asked for last.

    A refusal and the output of a vector that must be refused are compared with nothing.
    """
    output = {} if answer.get("error") else answer.get("output")
    if not isinstance(output, dict):
        output = {}
    if "RandomPadding" in vector["flags"]:
        output = _decrypted(output, vector["input"]["key"])
    return list(_differences("", vector.get("expected", {}), output))


def _differences(path: str, expected: object, got: object) -> Iterator[Difference]:
    """Compare two JSON values: 600 is 600.0, but 1 is not true."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in dict.fromkeys([*expected, *got]):
            inner = f"{path}.{name}" if path else name
            yield from _differences(inner, expected.get(name, ABSENT), got.get(name, ABSENT))
    elif isinstance(expected, list) and isinstance(got, list):
        for at in range(max(len(expected), len(got))):
            pair = (values[at] if at < len(values) else ABSENT for values in (expected, got))
            yield from _differences(f"{path}[{at}]", *pair)
    elif expected != got or isinstance(expected, bool) is not isinstance(got, bool):
        yield Difference(path, expected, got)


def _decrypted(output: dict[str, Any], pem: str) -> dict[str, Any]:
    """Return an output with its body in place of an RSA payload, whose padding differs at each encryption."""
    payload = output.get("payload")
    if not isinstance(payload, str):
        return output
    rest = {key: value for key, value in output.items() if key != "payload"}
    try:
        body = Rsa(RsaKey.from_pem(pem)).decrypt(bytes.fromhex(payload))
    except (ValueError, CipherError):
        return rest
    return rest | {"body": body.hex()}
