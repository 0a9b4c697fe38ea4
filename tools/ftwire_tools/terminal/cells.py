"""How wide text is on a terminal, and what fits: Chinese characters take two columns, marks and colours none."""

from __future__ import annotations

import re
import shutil
from typing import Final, NamedTuple, TextIO

__all__ = ["Screen", "cell_width", "pad_right", "screen_of", "wrapped"]

NARROWEST: Final = 40
"""Columns that are used of a narrower terminal, too: less shows nothing."""
_COLOUR: Final = re.compile(r"(\x1b\[[0-9;]*m)")


class Screen(NamedTuple):
    """The terminal that text is for."""

    columns: int
    mark: str = "…"
    """One column wide: shows that something of a line is cut off."""

    def cut(self, line: str) -> str:
        """Return what fits of a line, which has no line end.

        Escape sequences of colours are all kept, so that those behind the cut still end what began before it.
        """
        if len(line) <= self.columns and line.isascii():
            return line
        parts = _COLOUR.split(line)
        if sum(map(cell_width, parts[::2])) <= self.columns:
            return line
        left = self.columns - 1
        for index in range(0, len(parts), 2):
            text = parts[index]
            width = cell_width(text)
            if width <= left:
                left -= width
                continue
            kept = 0
            while kept < len(text) and (step := cell_width(text[kept])) <= left:
                left -= step
                kept += 1
            return "".join((*parts[:index], text[:kept], self.mark, *parts[index + 1 :: 2]))
        return line


def wrapped(text: str, indent: int, screen: Screen | None) -> list[str]:
    """Return a text in lines that fit the screen behind so many spaces; in one line where there is no screen.

    It is cut at spaces, and within words that are longer than a line, as those of Chinese are.
    """
    room = 0 if screen is None else screen.columns - indent
    if screen is None or cell_width(text) <= room:
        return [text]
    lines = [""]
    for word in text.split():
        if lines[-1] and cell_width(lines[-1]) + 1 + cell_width(word) > room:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
        while cell_width(lines[-1]) > room:
            fits = max(room // 2, 1)
            while cell_width(lines[-1][: fits + 1]) <= room:
                fits += 1
            lines[-1:] = [lines[-1][:fits], lines[-1][fits:]]
    return lines


def screen_of(stream: TextIO) -> Screen | None:
    """Return the terminal behind a stream, as wide as COLUMNS has it where that is set; ``None`` for files and pipes.

    What is in a file is read later, by programs and on other screens: its lines are whole.
    """
    if not stream.isatty():
        return None
    columns = max(shutil.get_terminal_size().columns, NARROWEST)
    try:
        "…".encode(stream.encoding)
    except UnicodeEncodeError:
        return Screen(columns, mark=">")
    return Screen(columns)


def cell_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    # Most tables are ASCII: rich is imported for the first text that is not.
    from rich.cells import cell_len

    return cell_len(text)


def pad_right(text: str, columns: int) -> str:
    """Return a text with spaces behind it, so that it takes at least so many columns."""
    return text + " " * (columns - cell_width(text))
