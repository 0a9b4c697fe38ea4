"""Settings of all tests: how many examples properties get, which tests only CI runs, and how many processes."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import DirectoryBasedExampleDatabase

pytest_plugins = ["support.programs"]

# Of whoever runs the tests, and not of the tests: they set what they need.
for _name in (
    "COLUMNS",
    "FORCE_COLOR",
    "FTWIRE_COLOR",
    "FTWIRE_KEY",
    "FTWIRE_TIME",
    "FTWIRE_TO",
    "FTWIRE_TRADE_PASSWORD",
):
    os.environ.pop(_name, None)

CI = bool(os.environ.get("CI"))

# A profile's `max_examples` is what a property gets that names no number of its own. One that needs more or fewer
# takes a multiple, `settings(max_examples=4 * settings().max_examples)`, so that profiles scale it too.
# Examples are the same in every run, so that a change is judged by what it changes; `make explore` looks for new ones.
# Messages and captures are large by nature: that examples are slow, or discarded for size, is no fault of a test.
settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    max_examples=25,
    derandomize=True,
    database=None,
)
settings.register_profile("ci", parent=settings.get_profile("default"), max_examples=100)
settings.register_profile(
    "explore",
    parent=settings.get_profile("default"),
    max_examples=1000,
    derandomize=False,
    database=DirectoryBasedExampleDatabase(Path(__file__).parent.parent / ".hypothesis" / "examples"),
    print_blob=True,
)
settings.register_profile(
    "mutation",  # whether a mutant fails is all that is asked, so nothing is made smaller
    parent=settings.get_profile("default"),
    max_examples=int(os.environ.get("MUTATION_EXAMPLES", "40")),
    phases=[Phase.explicit, Phase.generate],
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if CI else "default")
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, by name, what takes long by nature, and most cases of what has very many; CI runs them."""
    if CI or PROFILE == "explore":
        return
    long = pytest.mark.skip(reason="takes long: CI runs it, and so does CI=1 make unit")
    one_of_many = pytest.mark.skip(reason="one of many cases alike: CI runs it, and so does CI=1 make unit")
    cases: Counter[str] = Counter()
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(long)
        sampled = item.get_closest_marker("sampled")
        if sampled is not None:
            (every,) = sampled.args
            test = item.nodeid.partition("[")[0]
            if cases[test] % every:
                item.add_marker(one_of_many)
            cases[test] += 1


@pytest.hookimpl(optionalhook=True)  # mutation testing runs without xdist
def pytest_xdist_auto_num_workers() -> int:
    """Return more than there are cores: tests of hangs and of faults wait most of their time."""
    return (os.cpu_count() or 1) + 2


# Where tests run in the background SIGINT is ignored, and the programs they start would inherit that: those
# that are interrupted on purpose would never end.
signal.signal(signal.SIGINT, signal.default_int_handler)
