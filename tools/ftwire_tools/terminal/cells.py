"""How wide text is on a terminal: Chinese characters take two columns, combining marks none."""

from __future__ import annotations

__all__ = ["cell_width", "pad_right"]


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
