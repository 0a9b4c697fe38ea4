"""``ftwire export``: captures to typed tables."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING

import click

from ftwire_tools.commands._completion import complete_files, complete_protocols
from ftwire_tools.commands._filters import filter_of, filter_option
from ftwire_tools.commands._keys import keys_option, read_pem
from ftwire_tools.commands._options import max_body_option, show_secrets_option, since_option, until_option
from ftwire_tools.filters.frame_filter import FrameFilter, protocol_ids
from ftwire_tools.terminal.exit_codes import NOT_DECODED
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftwire_tools.export.manifest import ExportOutcome

__all__ = ["command"]


@click.command(
    epilog="Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 finished, but some input could not be read, or some of it "
    "could not be decoded (see the table errors).",
)
@click.argument("captures", nargs=-1, metavar="CAPTURE...", shell_complete=complete_files)
@click.option(
    "-o", "--output", required=True, metavar="DIR", help="Directory for the tables, or a URL; made if need be."
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "arrow", "csv", "jsonl", "duckdb"]),
    default="parquet",
    help="Parquet by default; duckdb is one database, DIR/export.duckdb.",
)
@keys_option("RSA private key to decrypt with; repeatable.")
@click.option(
    "--proto",
    "protocols",
    multiple=True,
    metavar="NAME|ID|GLOB",
    shell_complete=complete_protocols,
    help="Only these protocols; repeatable.",
)
@filter_option("Only rows of frames that match")
@since_option
@until_option
@click.option(
    "--columns",
    type=click.Choice(["all", "sdk"]),
    default="all",
    help="all fields under the vendor's names (default), or those of the DataFrames of the vendor's Python SDK.",
)
@click.option("--join", "join", is_flag=True, help="The inputs are parts of one capture: tcpdump -C, dumpcap -b.")
@click.option("--explode", is_flag=True, help="Lists inside rows as tables of their own, joined by number and row.")
@click.option(
    "--levels",
    type=click.IntRange(1, 100),
    default=10,
    metavar="N",
    help="Levels of each side in order_book_wide; 10 by default.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray", "dask"]),
    default="local",
    help="Where the work is done, a file a process: this machine (default), a Ray or a Dask cluster.",
)
@click.option("--address", metavar="ADDRESS", help="The cluster's; without it, one is started on this machine.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), metavar="N", help="Processes; by default one a core.")
@click.option(
    "--compact",
    is_flag=True,
    help="Join the small Parquet files of DIR to few; without a CAPTURE, do only that.",
)
@click.option("--retry-quarantined", is_flag=True, help="Try inputs again that ended the process reading them.")
@max_body_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each input: what became of it.")
@show_secrets_option
@click.pass_context
def command(
    ctx: click.Context,
    captures: tuple[str, ...],
    output: str,
    kind: str,
    keys: tuple[str, ...],
    protocols: tuple[str, ...],
    expression: str | None,
    since: int | None,
    until: int | None,
    columns: str,
    join: bool,
    explode: bool,
    levels: int,
    engine: str,
    address: str | None,
    jobs: int | None,
    compact: bool,
    retry_quarantined: bool,
    max_body: int,
    as_json: bool,
    show_secrets: bool,
) -> None:
    """Turn captures into typed tables: one for each protocol and list, with a row for each item.

    CAPTURE is a pcap or pcapng file, compressed or not, a directory of them, "-" for standard input, or a URL that
    fsspec opens. Tables are directories under DIR, partitioned by market and date. Inputs that an earlier run has
    exported are passed over: a run that was stopped goes on where it was.

    \b
    Examples:
      ftwire export session.pcapng -o tables
      ftwire export captures/ -o tables --format duckdb --key rsa.pem
      ftwire export session.pcapng -o tables -Y 'code ~ US.* and kind == push'
      ftwire export captures/ -o tables --since 2024-01-02T01:30 --until 2024-01-02T02:00
      ftwire export --compact -o tables
      ftwire export --join rotated_*.pcapng -o tables
      ftwire export s3://bucket/*.pcap -o s3://bucket/tables --engine ray --address auto
      python -c "import duckdb; duckdb.read_parquet('tables/ticker/**/*.parquet').aggregate('code, avg(price)').show()"

    Each CAPTURE is read for itself. With --join all are parts of one, in any order: connections go on over them,
    and the column file has the name of the first, "and N more".

    Every row has time (of capture), file, number, conversation, src, dst, direction, kind, proto_id, proto, serial,
    request, latency_ns and row. Rows of a reply have the number of its request, and the parameters that only the
    request says (klType, rehabType). Codes are written like HK.00700; beside an enum's number is its name (_name),
    beside a local time the instant (_utc). Replies and pushes of the same thing share a table: time_share, ticker,
    order_book, order_book_wide, basic_quote, snapshot, broker_queue, orders, fills, positions; K-lines have a table
    for each period and adjustment: kline_1min_none, kline_day_forward. What could not be decoded is in the table
    errors, as are connections that look like OpenD's protocol and have no frame. A capture without any conversation
    is named.
    """  # noqa: D301 - a real backspace is click's sign not to wrap a paragraph
    try:
        wanted = protocol_ids(protocols) if protocols else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--proto") from None
    frame_filter = FrameFilter(since=since, until=until, also=filter_of(expression, show_secrets=show_secrets))
    # As text it goes to every process, and into the digest of the settings.
    chosen = "" if frame_filter.is_empty else str(frame_filter.compiled())
    if address is not None and engine == "local":
        raise click.UsageError("--address needs --engine ray or --engine dask")
    if not captures and not compact:
        raise click.UsageError("Missing argument 'CAPTURE...'.")
    if compact and "://" in output:
        raise click.UsageError("--compact works in a directory of this machine only")
    if compact and kind not in ("parquet", "duckdb"):
        raise click.UsageError("--compact joins Parquet files: not with --format " + kind)
    if kind == "duckdb" and "://" in output:
        raise click.UsageError("a DuckDB file is made in a directory of this machine only")
    pems = tuple(map(read_pem, keys))
    try:
        _check_packages(kind)
        from ftwire_tools.export.compaction import NotCompactableError, recover
        from ftwire_tools.export.frame_columns import TableOptions
        from ftwire_tools.export.lock import BusyError
        from ftwire_tools.export.runner import inputs_of, joined, run_export
        from ftwire_tools.export.store import store_at
        from ftwire_tools.export.task import ExportSettings, MixedTablesError, check_output

        options = TableOptions(wanted, explode, levels, show_secrets, max_body, columns=columns, expression=chosen)
        settings = ExportSettings(output, "parquet" if kind == "duckdb" else kind, pems, options)
        sources = inputs_of(captures)
        if captures and not sources:
            raise click.UsageError(f"no captures in {', '.join(captures)}")
        for source in sources:
            if source.encode(errors="replace").decode() != source:
                raise click.UsageError(f"{source}: rows name their file, and this name is not UTF-8")
        captures_found = joined(sources) if join else [[source] for source in sources]
        try:
            with store_at(output).lock():
                recover(store_at(output))
                if not captures:
                    _compact(output, as_json)
                    ctx.exit(0)
                check_output(settings)
                outcomes = run_export(
                    captures_found,
                    settings,
                    engine=engine,
                    address=address,
                    jobs=jobs,
                    retry_quarantined=retry_quarantined,
                )
                code = _report(
                    outcomes, len(captures_found), output if kind == "duckdb" else None, as_json, protocols, chosen
                )
                if compact:
                    _compact(output, as_json)
        except NotCompactableError as error:
            raise click.ClickException(f"{output}: {error}") from None
        except BusyError as error:
            by = f" (process {error.holder})" if error.holder else ""
            raise click.ClickException(
                f"{output}: another export is writing there{by}: wait until it has ended, or give another directory"
            ) from None
        except MixedTablesError as error:
            raise click.ClickException(str(error)) from None
    except ImportError as error:
        raise click.ClickException(_missing(error)) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from None
    ctx.exit(code)


def _compact(output: str, as_json: bool) -> None:
    """Join the small files of an export, and print how many there were and are."""
    from pyarrow import ArrowException

    from ftwire_tools.export.compaction import compact
    from ftwire_tools.export.store import store_at

    try:
        found = compact(output, store_at(output))
    except ArrowException as error:
        raise click.ClickException(f"{output}: {error}") from None
    if as_json:
        write(json.dumps({"compacted": found._asdict()}) + "\n")
    else:
        write(f"{found.before} files of {found.entries} inputs are {found.after} now\n")


def _check_packages(kind: str) -> None:
    """Import packages now that are needed late in a long run. Raises ``ImportError``."""
    import_module("pyarrow")
    if kind == "duckdb":
        import_module("duckdb")


def _missing(error: ImportError) -> str:
    name = (error.name or "").partition(".")[0]
    extra = {"ray": "ray", "distributed": "dask", "dask": "dask"}.get(name, "export")
    return f"{name or error} is not installed: pip install 'ftwire[{extra}]'" if name else str(error)


def _report(
    outcomes: Iterable[tuple[ExportOutcome, bool]],
    inputs: int,
    database: str | None,
    as_json: bool,
    protocols: tuple[str, ...],
    expression: str,
) -> int:
    """Print what becomes of ``inputs`` inputs, make a database in the directory ``database``; return the exit code."""
    rows: Counter[str] = Counter()
    frames = done = skipped = faults = 0
    for outcome, is_old in outcomes:
        rows.update(outcome.rows)
        frames += outcome.frames
        skipped += is_old
        done += outcome.status == "done"
        faults += not outcome.is_clean
        if as_json:
            write(json.dumps(asdict(outcome) | {"skipped": is_old}) + "\n")
        _print_problem(outcome)
    if database is not None and rows:
        from ftwire_tools.export.database import build_database

        build_database(database, sorted(rows))
    if not as_json:
        files = f"{done} of {inputs} inputs" + (f" ({skipped} done before)" if skipped else "")
        lines = [f"{files}, {frames} frames", *[f"{'rows':>12}  table"] * bool(rows)]
        lines += [f"{count:>12}  {table}" for table, count in sorted(rows.items())]
        write("".join(f"{line}\n" for line in lines))
    if (protocols or expression) and frames and not rows.keys() - {"errors"}:
        options = [f"--proto {','.join(protocols)}"] * bool(protocols) + [f"-Y {expression}"] * bool(expression)
        sys.stderr.write(
            f"ftwire: {printable(' '.join(options))}: no frame in these inputs matches "
            "(ftwire dump --stats counts what there is)\n"
        )
    if not done:
        return 1
    return NOT_DECODED if faults else 0


def _print_problem(outcome: ExportOutcome) -> None:
    """Print lines on standard error where an input could not be read, or not all of it decoded, or holds nothing."""
    for note in outcome.notes:
        sys.stderr.write(f"ftwire: {printable(f'{outcome.source}: {note}')}\n")
    if outcome.error is not None:
        status = "" if outcome.status == "done" else f"{outcome.status}: "
        sys.stderr.write(f"ftwire: {printable(f'{outcome.source}: {status}{outcome.error}')}\n")
    elif outcome.undecoded:
        sys.stderr.write(
            f"ftwire: {printable(outcome.source)}: {outcome.undecoded} not decoded, see the table errors\n"
        )
    if outcome.times_differ:
        rows = ", ".join(f"{count} of {table}" for table, count in sorted(outcome.times_differ.items()))
        sys.stderr.write(
            f"ftwire: {printable(outcome.source)}: rows whose local time is not that of their timestamp, which their "
            f"_utc columns have: {rows}\n"
        )
    if outcome.without_request:
        count = outcome.without_request
        those = "1 reply without its request" if count == 1 else f"{count} replies without their request"
        sys.stderr.write(
            f"ftwire: {printable(outcome.source)}: {those} in the capture: rows lack what only a request says\n"
        )
