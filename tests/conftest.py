"""Settings and helpers shared by all tests."""

import os
import signal

import pytest
from hypothesis import HealthCheck, Phase, settings

pytest_plugins = ["support.programs"]

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=2000)
settings.register_profile(
    "mutation",  # the same few examples for each mutant: whether it fails is all that is asked
    parent=settings.get_profile("default"),
    max_examples=int(os.environ.get("MUTATION_EXAMPLES", "40")),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(optionalhook=True)  # mutation testing runs without xdist
def pytest_xdist_auto_num_workers() -> int:
    """More than there are cores: tests of hangs and of faults wait most of their time."""
    return (os.cpu_count() or 1) + 2


# Where tests run in the background SIGINT is ignored, and the programs they start would inherit that: those
# that are interrupted on purpose would never end.
signal.signal(signal.SIGINT, signal.default_int_handler)
