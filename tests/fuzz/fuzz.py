"""Coverage-guided fuzzing of every contract, with Atheris.

    PYTHONPATH=tests:. python tests/fuzz/fuzz.py TARGET [libFuzzer's arguments] [CORPUS ...]
    PYTHONPATH=tests:. python tests/fuzz/fuzz.py --list

A target is a contract of ``tests/support/contracts.py``, given bytes, or ``property:NAME``, a property test of
``tests/codec/test_contracts.py``, given what Hypothesis makes of the bytes (``fuzz_one_input``).
An input that fails is written to ``crash-*``; add it to a named regression test.
"""

from __future__ import annotations

import shlex
import sys


def main() -> None:
    """Run one target until libFuzzer stops."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["ftwire"]):
        from codec import test_contracts
        from support.contracts import CONTRACTS

    targets = dict(CONTRACTS)
    for named, function in vars(test_contracts).items():
        handle = getattr(function, "hypothesis", None)
        # Properties that are parametrized run the contracts, which are targets themselves.
        if named.startswith("test_damaged_") and handle is not None and not hasattr(function, "pytestmark"):
            targets[f"property:{named.removeprefix('test_')}"] = handle.fuzz_one_input
    if len(sys.argv) < 2 or sys.argv[1] not in targets:
        sys.stdout.write("\n".join([*targets, ""]))
        sys.exit(0 if "--list" in sys.argv else 2)
    name = sys.argv.pop(1)
    target = targets[name]
    # Where it merges corpora libFuzzer starts its first argument anew, by way of a shell: it takes this program
    # and its target with it.
    sys.argv[0] = shlex.join([sys.executable, __file__, name])

    def run(data: bytes) -> None:
        target(data)

    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
