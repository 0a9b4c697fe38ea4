"""Asking a program every vector, and judging its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ftwire.cipher import Rsa, RsaKey
from ftwire.errors import CipherError
from ftwire_tools.conformance.program import NoAnswerError, ProgramUnderTest
from ftwire_tools.conformance.vectors import Vector

__all__ = ["FAILED", "PASSED", "UNSUPPORTED", "VectorResult", "judge", "run_vectors"]

PASSED, FAILED, UNSUPPORTED = "passed", "failed", "unsupported"
PATIENCE: Final = 3
"""A program that answers none of this many vectors is not asked the others."""


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


def run_vectors(program: ProgramUnderTest, groups: Mapping[str, Sequence[Vector]]) -> Iterator[VectorResult]:
    """Ask a program every vector.

    Raises ``NoAnswerError`` where none of the first ``PATIENCE`` vectors is answered, and ``OSError`` where the
    program cannot be started.
    """
    unanswered, answered = 0, False
    for group, vectors in groups.items():
        for vector in vectors:
            question = {key: vector[key] for key in ("id", "operation", "input")} | {"group": group}
            try:
                answer = program.ask(question)
            except NoAnswerError as error:
                unanswered += 1
                if not answered and unanswered == PATIENCE:
                    raise NoAnswerError(f"{error}; not one of the first {PATIENCE} answers came") from None
                yield VectorResult(vector, group, FAILED, str(error), None)
                continue
            answered = True
            outcome, reason = judge(vector, answer)
            yield VectorResult(vector, group, outcome, reason, answer)


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
    output = answer.get("output")
    if "RandomPadding" in vector["flags"] and isinstance(output, dict):
        output = _decrypted(output, vector["input"]["key"])
    if _same(vector["expected"], output):
        return PASSED, ""
    if not isinstance(output, dict):
        return FAILED, "an answer without output, error or unsupported"
    wrong = [key for key, value in vector["expected"].items() if key not in output or not _same(value, output[key])]
    extra = sorted(output.keys() - vector["expected"].keys())
    return FAILED, f"wrong: {', '.join(wrong)}" if wrong else f"not asked for: {', '.join(extra)}"


def _same(expected: object, actual: object) -> bool:
    """Compare two JSON values: 600 is 600.0, but 1 is not true."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(_same(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_same, expected, actual))
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return expected == actual


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
