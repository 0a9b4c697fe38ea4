"""Write docs/answers.md: what the made-up market answers, and the table of instruments that it trades.

    python docs/make_answers.py

A test keeps the page equal to what this writes. The table of protocols is made from the handlers that there are.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path
from typing import Final

from ftwire_tools.gateway.protocol_table import HANDLING, ProtocolRow, protocol_table
from ftwire_tools.synthetic import universe
from ftwire_tools.synthetic.universe import default_universe

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "answers.md"

HEAD: Final = """\
# What the made-up market answers

`ftwire serve --synthetic` answers every request that OpenD of today has. This page shows how: which answers follow
from the market, and which are made up. `ftwire serve --list-protocols`, with `--json` for programs, shows the same.

"""

MADE_UP: Final = """\
## What "made up" means

An answer that is made up is filled by the names, types and enums of its fields. Where the market has a value for a
name (prices, volumes, volatility, greeks, market value, names, codes), it is that value. Times are at or before the
market's now, but for those that lie ahead by their nature, such as expiries. Numbers of enums are values of the enum.
The rest is drawn from `--seed`, from what the row is about (an instrument, a day, an institution) and from the
field's name, and not from the protocol: two answers about the same thing agree, the same seed gives the same answers,
and another seed gives others.

Lists are sorted, filtered and cut into pages as the request demands: by the enums of its sort fields and filters, by
`count` and the key of the next page. Institutions have the IDs 1 to 20, indicators 1 to 10, plates and industrial
chains the place of a plate in the table of instruments, from 1. A request for days that all lie ahead of the
market's, as the vendor's SDK sends by default, gets as many days up to the market's; chains of options are given for
any day. With `--shift-time now` both clocks agree.

Analysts' names, headlines and comments are plain words that say that they are made up. Nothing here is about the
companies whose names are used, and none of it is data of the vendor or of an exchange.

"""

INSTRUMENTS: Final = """\
## The instruments

{summary}

`ftwire serve --show-universe` writes their table, and `--universe FILE` takes one of yours in its place:

```console
$ ftwire serve --show-universe > mine.csv
$ ftwire serve --synthetic --universe mine.csv
```

What is wrong with a table is named with its line. Its columns:

| Column | Content |
|---|---|
{columns}

An instrument with an option class has options by rule. US options expire on Fridays: the next six, the third of each
month for a year, that of January for two; those on an index also on each weekday of two weeks. Hong Kong's expire on
the last weekday but one of a month. Strikes lie within 40 % of the price in the table. Values and greeks are those of
Black and Scholes, with a volatility of the underlying's own and a smile, and interest of 4 %.

"""


def columns() -> str:
    """Return the rows of the table of columns, from the docstring of the module that reads them."""
    docstring = universe.__doc__ or ""
    lines = docstring.split("\n")
    rules = [at for at, line in enumerate(lines) if line.startswith("=====")]
    rows: list[list[str]] = []
    for line in lines[rules[0] + 1 : rules[-1]]:
        name, text = line[:11].strip(), line[11:].strip()
        if name:
            rows.append([name, text])
        else:
            rows[-1][1] += f" {text}"
    return "\n".join(f"| `{name}` | {text.replace('``', '`')} |" for name, text in rows)


def handling(rows: list[ProtocolRow]) -> str:
    """Return the words for how requests are handled, each with how many are."""
    counts = Counter(row.handling for row in rows)
    return "\n".join(f"- **{name}** ({counts[name]}): {meaning}" for name, meaning in HANDLING.items())


def page() -> str:
    """Return the page."""
    rows = protocol_table()
    listed = default_universe()
    names = {number: name for name, number in universe.TYPES.items()}
    kinds = Counter(names[each.sec_type] for each in listed)
    table = "\n".join(f"| {row.proto_id} | {row.protocol} | {row.handling} | {row.answer} |" for row in rows)
    counts = ", ".join(f"{count} of type {kind}" for kind, count in kinds.most_common())
    summary = textwrap.fill(f"There are {len(listed)} instruments: {counts}.", 118)
    return (
        HEAD
        + handling(rows)
        + "\n\n"
        + INSTRUMENTS.format(summary=summary, columns=columns())
        + MADE_UP
        + "## The protocols\n\n| ID | Protocol | | Answer |\n|---|---|---|---|\n"
        + table
        + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
