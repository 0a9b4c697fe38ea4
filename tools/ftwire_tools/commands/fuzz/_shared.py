"""What both subcommands share: their options, and a campaign or a replay from the options to the exit code."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from click.core import ParameterSource

from ftwire_tools.captures.input_files import open_input
from ftwire_tools.commands._keys import PEM, read_key
from ftwire_tools.commands._options import colour_option
from ftwire_tools.fuzz.campaign import Campaign
from ftwire_tools.fuzz.program import ProgramError
from ftwire_tools.fuzz.report import CampaignReport
from ftwire_tools.fuzz.saving import OF_CLIENT, CrashFile, CrashFileError, load_crash
from ftwire_tools.fuzz.steps import FuzzSetup, FuzzStep
from ftwire_tools.fuzz.targets import ClientTarget, FuzzTarget, LostTargetError, target_for
from ftwire_tools.terminal.addresses import Address
from ftwire_tools.terminal.output import Interrupted, write
from ftwire_tools.terminal.signals import interrupt_on_end
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from random import Random

__all__ = ["FuzzOptions", "run", "shared_options"]

DEFAULT_RUNS: Final = 200


class FuzzOptions(NamedTuple):
    """The options that both subcommands have."""

    program_line: str | None
    key: str | None
    seed: int | None
    runs: int | None
    minutes: float | None
    steps: int
    timeout: float
    shrink_tries: int
    output: Path | None
    replay: str | None
    as_json: bool
    websocket: bool

    def setup(self, mode: str, **of_client: Any) -> FuzzSetup:
        """Return the setup that these options describe. Raises click's error where they contradict each other."""
        if self.websocket and self.key is not None:
            raise click.UsageError("--key is for TCP: nothing is encrypted on WebSocket")
        encrypted = self.key is not None
        return FuzzSetup(mode, self.timeout, encrypted=encrypted, websocket=self.websocket, **of_client)


def shared_options(default_timeout: float, when: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what adds the options that both subcommands have; ``when`` says when the program is started."""
    positive, count = click.FloatRange(min=0, min_open=True), click.IntRange(min=1)
    folder = click.Path(path_type=Path, file_okay=False)
    shown: dict[str, Any] = {"show_default": True}
    seconds: dict[str, Any] = {"type": positive, "metavar": "SECONDS", "default": default_timeout, **shown}
    tries: dict[str, Any] = {"type": click.IntRange(min=0), "metavar": "N", "default": 200, **shown}
    options = (
        click.option("--seed", type=int, metavar="N", help="Draw the same again; by default a random one is printed."),
        click.option("--runs", type=count, metavar="N", help=f"How many runs; {DEFAULT_RUNS}."),
        click.option("--minutes", type=positive, metavar="M", help="Go on for so long instead, or at most."),
        click.option("--steps", type=click.IntRange(1, 1000), default=8, metavar="N", help="Most in one run.", **shown),
        click.option("--timeout", help="What counts as hung.", **seconds),
        click.option("--shrink-tries", help="Most performances that shortening one finding may take.", **tries),
        click.option("--output", type=folder, metavar="DIR", help="Keep finds here."),
        click.option("--replay", metavar="FILE", help='Perform a saved crash.json again; "-" for stdin.'),
        click.option(
            "--key", type=PEM, metavar="PEM", help="RSA private key that both sides hold; everything is encrypted."
        ),
        click.option("--ws", "websocket", is_flag=True, help="Speak WebSocket, as browsers and Node.js do (no TLS)."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a find, then one for the whole."),
        click.option("--command", "program_line", metavar="PROGRAM", help=when),
        colour_option,
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def run(
    ctx: click.Context,
    setup: FuzzSetup,
    options: FuzzOptions,
    address: Address,
    plan: Callable[[Random], tuple[FuzzStep, ...]],
    **more: Any,
) -> None:
    """Run a campaign, or replay a saved crash, and exit; ``more`` is for the target. Raises click's errors."""
    crash = None if options.replay is None else _saved_crash(options.replay, setup)
    if crash is not None:
        # Options of this command line go before the values of the file.
        given = [name for name in OF_CLIENT if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        setup = replace(crash.setup, **{name: getattr(setup, name) for name in given})
    try:
        target = target_for(setup, address, options.program_line, key=read_key(options.key), **more)
    except ProgramError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {address}: {error.strerror or error}") from None
    if options.program_line is None and isinstance(target, ClientTarget):
        click.echo(f"ftwire: listening on {Address(address.host, target.port)} for clients", err=True)
    with _running(target):
        if crash is None:
            found = _fuzz(target, plan, setup, options)
        else:
            found = _replay(crash, target, as_json=options.as_json)
    ctx.exit(int(found))


def _saved_crash(path: str, setup: FuzzSetup) -> CrashFile:
    """Read a ``crash.json`` and check it against the other options. Raises click's errors."""
    try:
        with open_input(path) as source:
            crash = load_crash(b"".join(source.chunks()).decode(), setup.mode)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror or error}") from None
    except (CrashFileError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {printable(str(error))}") from None
    if crash.setup.encrypted != setup.encrypted:
        kind = "an encrypted" if crash.setup.encrypted else "a plain"
        raise click.UsageError(f"{path} is of {kind} session (--key)")
    if crash.setup.websocket != setup.websocket:
        kind = "a WebSocket session (--ws)" if crash.setup.websocket else "a TCP session (no --ws)"
        raise click.UsageError(f"{path} is of {kind}")
    return crash


@contextmanager
def _running(target: FuzzTarget) -> Iterator[None]:
    """Turn errors into click's, close the target, and let SIGTERM end it as Ctrl-C does: no program stays behind."""
    try:
        with interrupt_on_end():
            yield
    except (LostTargetError, ProgramError) as error:
        raise click.ClickException(printable(str(error))) from None
    except KeyboardInterrupt:
        raise Interrupted from None
    finally:
        target.close()


def _replay(crash: CrashFile, target: FuzzTarget, *, as_json: bool) -> bool:
    """Perform saved steps again; returns whether they provoke the same finding."""
    record = target.play(crash.steps, fresh=True)
    again = record.has(crash.kind)
    if as_json:
        facts = {
            "event": "replay",
            "kind": crash.kind,
            "provoked": again,
            "findings": [each._asdict() for each in record.findings],
            "reactions": [{"input": label, "reaction": reaction} for label, reaction in record.reactions],
        }
        write(f"{json.dumps(facts)}\n")
    else:
        for each in record.findings:
            write(f"{each.kind}: {printable(each.detail)}\n")
        write(f"{crash.kind}: {'still provoked' if again else 'not provoked any more'}\n")
    return again


def _fuzz(
    target: FuzzTarget, plan: Callable[[Random], tuple[FuzzStep, ...]], setup: FuzzSetup, options: FuzzOptions
) -> bool:
    """Run a campaign; returns whether anything was found."""
    seed = options.seed if options.seed is not None else secrets.randbelow(1 << 32)
    report = CampaignReport(setup, seed, folder=options.output, as_json=options.as_json)
    campaign = Campaign(
        target, plan, seed=seed, tries=options.shrink_tries, report=report.finding, progress=report.progress
    )
    runs = options.runs if options.runs is not None or options.minutes is not None else DEFAULT_RUNS
    try:
        campaign.run(runs, None if options.minutes is None else options.minutes * 60)
    except KeyboardInterrupt:
        report.summary(campaign.totals, interrupted=True)
        raise
    report.summary(campaign.totals)
    return bool(campaign.totals.found)
