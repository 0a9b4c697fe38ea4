"""The ``ftwire`` group: a table of commands with one line of help each; a command is imported when it is run.

A new command is a new file with a function ``command`` and a line in ``COMMANDS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from ftwire_tools.terminal.output import ClosedOutputError, Interrupted
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "SECTIONS", "LazyGroup", "ftwire"]

COMMANDS: Final = {
    "dump": "Show the OpenD frames in a capture.",
    "call": "Send a request to a gateway and show its reply.",
    "replay": "Send a capture's requests to a gateway and compare the replies.",
    "serve": "Be a gateway: answer clients from a capture or a made-up market.",
    "schema": "Look up messages, and compare them between SDK versions.",
    "record": "Record the traffic between clients and a gateway.",
    "redact": "Write a copy of a capture that can be shown to others.",
    "doctor": "Show what works of a gateway, with a remedy for the rest.",
    "explain": "Draw frames byte by byte and say what is wrong with them.",
    "vectors": "Test another implementation with the golden vectors.",
    "fuzz": "Be a hostile client of a gateway, or a hostile gateway.",
    "wireshark": "Make Wireshark show the protocol, and decrypt it.",
    "report": "Show what happened in a session as one HTML page.",
    "view": "Show a session as a live page, while its capture grows.",
    "export": "Turn captures into typed tables: Parquet, DuckDB and others.",
    "synth": "Write a capture of made-up trading, of any size.",
    "completion": "Print a script that lets the Tab key complete commands.",
    "man": "Write these helps as manual pages.",
}
"""Command, which is also its module in ``ftwire_tools.commands`` -> its line in ``ftwire --help``."""

SECTIONS: Final = {
    "Read captures": ("dump", "explain", "export", "redact", "report", "view", "wireshark"),
    "Work with a gateway": ("call", "doctor", "record", "replay", "serve"),
    "Write a client or a gateway": ("schema", "vectors", "synth", "fuzz"),
    "Set up": ("completion", "man"),
}
"""Heading in ``ftwire --help`` -> the commands below it; any other command is below "Other commands"."""


class LazyGroup(click.Group):
    """A group whose commands are listed in a table, and imported when they are run."""

    def __init__(
        self,
        *args: Any,
        package: str,
        table: Mapping[str, str],
        sections: Mapping[str, Sequence[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        """``table`` maps a command, which is also its module in ``package``, to its line of help.

        ``sections`` are headings of the help, with the commands below each.
        """
        super().__init__(*args, **kwargs)
        self._package: Final = package
        self._table: Final = table
        self._sections: Final = sections or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in self._table:
            return None
        command = import_module(f"{self._package}.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"{self._package}.{cmd_name}.command is no click command")
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments, which may print a help; a closed pipe becomes an exception that click does not handle."""
        try:
            return super().make_context(*args, **kwargs)
        except BrokenPipeError:
            raise ClosedOutputError("closed") from None

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; Ctrl-C and a closed pipe become exceptions that click does not handle.

        Control characters in an error's message are escaped: it may quote a file or its name.
        """
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            quoted = error.message.split("\n")
            error.message = "\n".join(map(printable, quoted))  # type: ignore[misc] # not shared: each raise makes a new one
            raise
        except KeyboardInterrupt:
            raise Interrupted from None
        except BrokenPipeError:
            raise ClosedOutputError("closed") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands from the table, importing none of them."""
        placed = {name for names in self._sections.values() for name in names}
        others = [name for name in self._table if name not in placed]
        sections = [*self._sections.items(), ("Other commands" if placed else "Commands", others)]
        # All lines of help begin in one column.
        width = max(map(len, self._table))
        for title, names in sections:
            if names:
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(width), self._table[name]) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; the error about one that is not there names those that are called nearly so."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = [] if args[0].startswith("-") else get_close_matches(args[0], self._table)
            if close:
                error.message += f" Did you mean {' or '.join(map(repr, close))}?"  # type: ignore[misc] # each raise makes a new one
            raise

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command from the table, importing none of them, or an option's."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=line) for name, line in self._table.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        import ftwire

        click.echo(f"ftwire {ftwire.__version__} ({'compiled core' if ftwire.compiled else 'pure Python'})")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    package="ftwire_tools.commands",
    table=COMMANDS,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 finished but some data could not be decoded.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def ftwire() -> None:
    """Look into, and speak, the wire protocol of OpenD, the gateway of the Futu and moomoo trading APIs.

    \b
    Example:
      ftwire dump capture.pcap
    """  # noqa: D301 - a real backspace marks a paragraph that click must not wrap
