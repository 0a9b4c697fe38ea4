"""What ``ftwire explain`` finds in a session: the mistakes, each with the frames that have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ftwire.capture import ConversationClosed, DissectedFrame
from ftwire.connection import SECOND
from ftwire_tools.explaining.checked_capture import CaptureChecker
from ftwire_tools.explaining.report import ExplainReport, Place

if TYPE_CHECKING:
    from ftwire.capture import Conversation, Dissected
    from ftwire.cipher import RsaKey
    from ftwire.diagnosis import Finding
    from ftwire.frame import Role
    from ftwire_tools.session_report.shown_bodies import ShownBodies

__all__ = ["Findings"]

NAMED: Final = 50
"""Frames that are named with a mistake."""
MOST_MISTAKES: Final = 1000
"""Mistakes that are listed: those of each conversation and side count for themselves."""


FIRST_FRAMES: Final = 20_000
"""Frames of which every one is looked at."""


class _Mistake:
    """One mistake of one side of a conversation."""

    def __init__(self) -> None:
        self.count = 0
        """Frames that have it; where it is in no frame, how often it was found."""
        self.last = 0
        """Number of the last of these frames."""


class Findings:
    """Checks all frames of a session. ``keys`` are RSA private keys, ``shown`` is what may be shown of bodies."""

    def __init__(
        self, shown: ShownBodies, keys: Sequence[RsaKey] = (), *, checker: CaptureChecker | None = None
    ) -> None:
        self._shown: Final = shown
        self._checker: Final = checker or CaptureChecker(keys)
        self._report: Final = ExplainReport(show_secrets=shown.shows_secrets)
        self._mistakes: Final[dict[tuple[str, Role | None, Conversation | None], _Mistake]] = {}
        self._left_out = 0
        self._looked_at: Final[dict[int, int]] = {}
        """Time of the last frame of each open conversation that was looked at, in nanoseconds."""

    def emptied(self) -> Findings:
        """Return the same, with nothing found yet; conversations that are open go on."""
        return Findings(self._shown, checker=self._checker)

    def add(self, report: Dissected, *, is_plain_push: bool = False) -> None:
        """Check the next report of a capture, whose reader has ``keep_bytes``.

        ``is_plain_push``: it is a push that reads well, with all fields known. All that could be found about it is that
        the client has been silent, so behind the first frames one a second of each conversation is enough.
        """
        number = report.conversation.number
        if is_plain_push and self._report.pieces >= FIRST_FRAMES:
            last = self._looked_at.get(number)
            if last is not None and abs(report.time - last) < SECOND:
                self._report.pieces += 1
                return
        if isinstance(report, DissectedFrame):
            self._looked_at[number] = report.time
        elif isinstance(report, ConversationClosed):
            self._looked_at.pop(number, None)
        for checked in self._checker.check(report):
            if isinstance(checked, Place):
                piece = checked.piece
                if not piece.findings:
                    self._report.add(checked, keep=False)
                    continue
                kept = tuple(
                    found for found in piece.findings if self._is_kept(found, checked.number, checked.conversation)
                )
                if kept:
                    self._report.add(checked._replace(piece=piece._replace(findings=kept)), keep=False)
                else:
                    self._report.pieces += 1
            else:
                self._report.findings += [
                    found
                    for found in checked.findings
                    if self._is_kept(found.finding, found.number, found.conversation)
                ]

    def _is_kept(self, finding: Finding, number: int, conversation: Conversation | None) -> bool:
        """Count a finding; return whether it is among the first of its mistake, which are kept."""
        key = finding.mistake.id, finding.sender, conversation
        mistake = self._mistakes.get(key)
        if mistake is None:
            if len(self._mistakes) >= MOST_MISTAKES:
                self._left_out += 1
                return False
            mistake = self._mistakes[key] = _Mistake()
        if number and number == mistake.last:
            return False
        mistake.count += 1
        mistake.last = number
        return mistake.count <= NAMED

    def values(self) -> dict[str, Any]:
        """Return the mistakes, those first that explain most, and how many frames were checked."""
        rows: list[dict[str, Any]] = []
        for group in self._report.ranked():
            finding, conversation = group[0].finding, group[0].conversation
            proof = finding.proof if self._shown.shows_secrets else self._shown.text(finding.unquoted or finding.proof)
            rows.append(
                {
                    "mistake": finding.mistake.id,
                    "title": finding.mistake.title,
                    "proof": proof,
                    "remedy": finding.mistake.remedy,
                    "proven": finding.proven,
                    "rank": finding.mistake.rank,
                    "sender": finding.sender.value if finding.sender else None,
                    "conversation": conversation.number or None if conversation else None,
                    "frames": sorted({found.number for found in group if found.number}),
                    "count": self._mistakes[finding.mistake.id, finding.sender, conversation].count,
                }
            )
        # Of a mistake, no more findings are kept than are named: how many there were decides here.
        rows.sort(key=lambda row: (row["rank"], not row["proven"], -row["count"]))
        return {
            "rows": rows,
            "left_out": self._left_out,
            "checked": self._report.pieces,
            "without_key": self._report.key_unknown,
        }
