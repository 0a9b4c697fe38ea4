"""What both subcommands share: their options, a campaign or a replay run to its end, to its exit code."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ftwire_tools.captures.input_files import open_input
from ftwire_tools.fuzz.campaign import Campaign
from ftwire_tools.fuzz.program import Program, ProgramError
from ftwire_tools.fuzz.report import Manner, Report
from ftwire_tools.fuzz.saving import Crash, CrashFileError, load_crash
from ftwire_tools.fuzz.targets import LostTargetError
from ftwire_tools.terminal.output import Interrupted, write
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from ftwire_tools.fuzz.steps import Step
    from ftwire_tools.fuzz.targets import Target

__all__ = ["Manner", "check_key", "fuzz", "load", "program_of", "replay", "shared_options"]

DEFAULT_RUNS: Final = 200


def shared_options(default_timeout: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the options that both subcommands have."""
    positive = click.FloatRange(min=0, min_open=True)
    options = (
        click.option("--seed", type=int, metavar="N", help="Draw the same again; a random one is said otherwise."),
        click.option("--runs", type=click.IntRange(min=1), metavar="N", help=f"How many runs; {DEFAULT_RUNS}."),
        click.option("--minutes", type=positive, metavar="M", help="Go on for so long instead, or at most."),
        click.option(
            "--steps", type=click.IntRange(1, 1000), default=8, metavar="N", show_default=True, help="Most in one run."
        ),
        click.option(
            "--timeout",
            type=positive,
            default=default_timeout,
            show_default=True,
            metavar="SECONDS",
            help="What counts as hung.",
        ),
        click.option(
            "--shrink-tries",
            type=click.IntRange(min=0),
            default=200,
            show_default=True,
            metavar="N",
            help="Most performances that shortening one finding may take.",
        ),
        click.option(
            "--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Keep finds here."
        ),
        click.option("--replay", metavar="FILE", help='Perform a saved crash.json again; "-" for stdin.'),
        click.option("--key", metavar="PEM", help="RSA private key that both sides hold; everything is encrypted."),
        click.option("--ws", "websocket", is_flag=True, help="Speak WebSocket, as browsers and Node.js do (no TLS)."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a find, then one for the whole."),
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def program_of(command: str | None, allowed: tuple[int, ...] = (0, 1), crash_text: str | None = None) -> Program | None:
    """Return the program that an option names."""
    import re

    if command is None:
        return None
    try:
        return Program(command, allowed=allowed, crash_text=crash_text or "")
    except ProgramError as error:
        raise click.BadParameter(str(error), param_hint="--command") from None
    except re.error as error:
        raise click.BadParameter(f"no regular expression: {error}", param_hint="--crash-text") from None


def load(path: str, mode: str, *, encrypted: bool, websocket: bool) -> Crash:
    """Read what ``--replay`` names; what goes wrong is one line."""
    try:
        with open_input(path) as source:
            crash = load_crash(b"".join(source.chunks()).decode(), mode)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except (CrashFileError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {printable(str(error))}") from None
    if crash.encrypted != encrypted:
        raise click.UsageError(f"{path} is of {'an encrypted' if crash.encrypted else 'a plain'} session (--key)")
    if crash.websocket != websocket:
        kind = "a WebSocket session (--ws)" if crash.websocket else "a TCP session (no --ws)"
        raise click.UsageError(f"{path} is of {kind}")
    return crash


def check_key(key: str | None, *, websocket: bool) -> None:
    """Refuse an RSA key for WebSocket. Raises ``click.UsageError``."""
    if websocket and key is not None:
        raise click.UsageError("--key is for TCP: nothing is encrypted on WebSocket")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end a campaign as Ctrl-C does, so that no program stays behind."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def replay(crash: Crash, target: Target, *, as_json: bool) -> int:
    """Perform saved steps once; returns the exit code."""
    try:
        with _ended_by_sigterm():
            outcome = target.play(crash.steps, fresh=True)
    except (LostTargetError, ProgramError) as error:
        raise click.ClickException(printable(str(error))) from None
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        target.close()
    again = outcome.has(crash.kind)
    if as_json:
        facts = {
            "event": "replay",
            "kind": crash.kind,
            "provoked": again,
            "findings": [each._asdict() for each in outcome.findings],
            "reactions": [{"input": label, "reaction": reaction} for label, reaction in outcome.reactions],
        }
        write(f"{json.dumps(facts)}\n")
    else:
        for each in outcome.findings:
            write(f"{each.kind}: {printable(each.detail)}\n")
        write(f"{crash.kind}: {'still provoked' if again else 'not provoked any more'}\n")
    return int(again)


def fuzz(
    target: Target,
    plan: Callable[[Random], tuple[Step, ...]],
    manner: Manner,
    *,
    mode: str,
    encrypted: bool,
    come_back: float | None = None,
    crashes: dict[str, Any] | None = None,
) -> int:
    """Run a campaign and report; returns the exit code."""
    seed = manner.seed if manner.seed is not None else secrets.randbelow(1 << 32)
    report = Report(manner, seed, mode, encrypted=encrypted, come_back=come_back, crashes=crashes or {})
    campaign = Campaign(target, plan, seed=seed, tries=manner.shrink_tries, told=report.find, progress=report.progress)
    runs = manner.runs if manner.runs is not None or manner.minutes is not None else DEFAULT_RUNS
    try:
        with _ended_by_sigterm():
            campaign.run(runs, None if manner.minutes is None else manner.minutes * 60)
    except (LostTargetError, ProgramError) as error:
        raise click.ClickException(printable(str(error))) from None
    except KeyboardInterrupt:
        report.summary(campaign.totals, interrupted=True)
        raise Interrupted from None
    finally:
        target.close()
    report.summary(campaign.totals)
    return int(bool(campaign.totals.finds))
