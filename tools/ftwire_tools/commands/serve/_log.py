"""What ``serve`` logs."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

import click

from ftwire_tools.commands._filters import filter_of, filter_option
from ftwire_tools.commands._option_group import option_group
from ftwire_tools.gateway.log import JsonLog, Log, LogOutput, TextLog
from ftwire_tools.gateway.request_log import ExchangeLog, JsonRequests, TextRequests

__all__ = ["LogOptions", "log_options", "open_logs"]


class LogOptions(NamedTuple):
    """What is logged, and how."""

    expression: str | None
    log_json: bool
    quiet: bool

    def check(self) -> None:
        """Raise ``click.UsageError`` where options contradict each other."""
        if self.quiet and self.expression is not None:
            raise click.UsageError("-Y chooses what is logged, and --quiet logs nothing")


log_options: Final = option_group(
    "logging",
    LogOptions,
    filter_option("Log only requests that match, or whose replies do"),
    click.option("--log-json", is_flag=True, help="Requests and events as JSON lines, all of them."),
    click.option("--quiet", "-q", is_flag=True, help="No log."),
)
"""Options whose values a command gets as ``logging``."""


def open_logs(options: LogOptions) -> tuple[Log, ExchangeLog | None]:
    """Return the log of events and that of the requests which pass the filter; both end with the command.

    Raises ``click.ClickException``.
    """
    chosen = filter_of(options.expression)
    if options.quiet:
        return Log(lambda *_: None), None
    output = LogOutput()
    requests: JsonRequests | TextRequests
    events: JsonLog | TextLog
    if options.log_json:
        events, requests = JsonLog(output.put), JsonRequests(output.put)
    else:
        events = text = TextLog(output.put)
        requests = TextRequests(
            text.line, later=lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call)
        )
    request_log = ExchangeLog(requests, chosen)

    def close() -> None:
        request_log.close()
        output.close()

    click.get_current_context().call_on_close(close)
    return Log(events), request_log
