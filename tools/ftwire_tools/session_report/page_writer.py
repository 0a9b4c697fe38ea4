"""Puts data, styles and scripts into one page that needs nothing else.

The page's own policy (CSP) lets it load nothing, and run only the scripts whose digests it names. Data stands in
elements that are no scripts to a browser, compressed and in base64, so that no text of a capture is ever markup; the
scripts put it into the page as text.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from ftwire_tools.session_report.body_chunks import packed

if TYPE_CHECKING:
    from ftwire_tools.session_report.session import Session

__all__ = ["SCRIPTS", "STYLES", "live_page", "page_of", "page_text"]

STYLES: Final = ("vendor/uPlot.min.css", "style.css")
SCRIPTS: Final = (
    "vendor/uPlot.iife.min.js",
    "dom.js",
    "format.js",
    "data.js",
    "filter_parser.js",
    "filter.js",
    "wire.js",
    "charts.js",
    "overview.js",
    "frames.js",
    "main.js",
)
"""In the order in which they run."""
LIVE_SCRIPTS: Final = (*SCRIPTS[:-1], "control.js", "live.js", SCRIPTS[-1])
"""The same of the page that is live."""


def page_text(name: str) -> str:
    """Return the text of a file of the page."""
    return files("ftwire_tools.session_report").joinpath("page", *name.split("/")).read_text(encoding="utf-8")


def page_of(session: Session, about: dict[str, Any], vocabulary: dict[str, Any]) -> Iterator[bytes]:
    """Return the page, part by part. ``about`` has the title, names of inputs, and what is hidden."""
    columns, table = session.table.packed()
    overview = {"about": about, "session": session.values(), "columns": columns, "chunks": session.bodies.firsts}
    data = {
        "overview": packed(json.dumps(overview, separators=(",", ":"), allow_nan=False).encode()),
        "vocabulary": packed(json.dumps(vocabulary, separators=(",", ":")).encode()),
        "table": packed(table),
    }
    chunks = {f"chunk-{number}": chunk for number, (_, chunk) in enumerate(session.bodies.chunks)}
    return _page(str(about["title"]), SCRIPTS, {**data, **chunks})


def live_page(title: str) -> Iterator[bytes]:
    """Yield the page that gets its data from the server it comes from, part by part."""
    return _page(title, LIVE_SCRIPTS, {}, may_connect=True)


def _page(title: str, names: Iterable[str], data: dict[str, bytes], *, may_connect: bool = False) -> Iterator[bytes]:
    styles = [page_text(name) for name in STYLES]
    scripts = [page_text(name) for name in names]
    policy = _policy(styles, scripts) + ("; connect-src 'self'" if may_connect else "")
    # Whoever passes a page on passes uPlot on.
    licences = f"<!--\nThe charts are drawn by uPlot, {page_text('vendor/uPlot.LICENSE')}-->"
    head, rest = _filled(page_text("page.html"), title=title, policy=policy).split("<!-- STYLES -->")
    middle, rest = rest.split("<!-- DATA -->")
    before, end = rest.split("<!-- SCRIPTS -->")
    yield head.replace("<!-- LICENCES -->", licences).encode()
    yield "\n".join(f"<style>{text}</style>" for text in styles).encode()
    yield middle.encode()
    for name, compressed in data.items():
        yield _data(name, compressed)
    yield before.encode()
    yield "\n".join(f"<script>{text}</script>" for text in scripts).encode()
    yield end.encode()


def _data(name: str, compressed: bytes) -> bytes:
    return b'<script type="text/plain" id="data-' + name.encode() + b'">' + b64encode(compressed) + b"</script>\n"


def _policy(styles: list[str], scripts: list[str]) -> str:
    """Return the policy: nothing is loaded, nothing runs but these, and no text becomes markup."""

    def digests(texts: list[str]) -> str:
        return " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in texts)

    return (
        f"default-src 'none'; script-src {digests(scripts)}; style-src {digests(styles)}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _filled(template: str, **values: str) -> str:
    """Put values into a template as text: one that looks like a place in it stays as it is."""
    return re.sub(r"\{\{(\w+)\}\}|(<!-- [A-Z]+ -->)", lambda found: found[2] or escape(values[found[1]]), template)
