"""The findings in an input, ranked, as text and as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire_tools.explaining.body_layout import body_json
from ftwire_tools.explaining.frame_layout import draw, header_fields, title_of
from ftwire_tools.explaining.piece_view import PieceView
from ftwire_tools.terminal.cells import screen_of, wrapped
from ftwire_tools.terminal.output import write
from ftwire_tools.terminal.style import paint_for, printable
from ftwire_tools.terminal.times import Clock

if TYPE_CHECKING:
    from ftwire.capture import Conversation
    from ftwire.diagnosis import Finding, Piece
    from ftwire.frame import Role

__all__ = ["ExplainReport", "Place", "ReportForm", "print_json", "print_text"]

MAX_NAMED: Final = 8
"""Largest number of frames listed with a finding."""


class ReportForm(NamedTuple):
    """Options for showing a report."""

    everything: bool
    brief: bool
    named: bool
    """Whether inputs are named, as there are several."""


class Place(NamedTuple):
    """A piece and its place in the input."""

    number: int
    """Number of the frame, as ``ftwire dump`` counts; 0 for bytes of a capture that are in no frame."""
    piece: Piece
    conversation: Conversation | None
    """Its conversation in a capture; number 0 is a connection that was not recognised."""
    time: int
    packet: int


class PlacedFinding(NamedTuple):
    """A finding and its place in the input."""

    finding: Finding
    number: int
    """Number of the frame, as in ``Place``."""
    conversation: Conversation | None = None
    """Its conversation in a capture, as in ``Place``."""
    packet: int = 0
    """Number of its packet in a capture."""


class ExplainReport:
    """Collects the findings of one input."""

    def __init__(self, name: str = "", *, show_secrets: bool) -> None:
        self.name = name
        """Name of the input, if there are several."""
        self.drawn: list[tuple[Place, PieceView]] = []
        """Pieces to draw."""
        self._show_secrets: Final = show_secrets
        self.pieces = 0
        """Number of pieces in the input."""
        self.key_unknown = 0
        """Number of pieces that are encrypted and whose key is unknown."""
        self.left_out = 0
        """Number of pieces left out of ``drawn`` because there are too many."""
        self.findings: list[PlacedFinding] = []
        self.notes: list[str] = []

    def add(self, place: Place, *, keep: bool) -> None:
        """Add a piece and its findings."""
        self.pieces += 1
        piece = place.piece
        self.key_unknown += piece.key_unknown and not piece.findings
        if not keep and not piece.findings:
            return
        view = PieceView(piece, show_secrets=self._show_secrets)
        if keep:
            self.drawn.append((place, view))
        self.findings.extend(
            PlacedFinding(finding, place.number, place.conversation, place.packet) for finding in view.findings()
        )

    def ranked(self) -> list[list[PlacedFinding]]:
        """Return the findings, grouped by mistake, conversation and side.

        Those that explain most come first: a whole conversation, then one side's frames, then single frames.
        """
        groups: dict[tuple[str, Role | None, Conversation | None], list[PlacedFinding]] = {}
        for found in sorted(self.findings, key=lambda found: (found.packet, found.number)):
            finding = found.finding
            groups.setdefault((finding.mistake.id, finding.sender, found.conversation), []).append(found)
        return sorted(groups.values(), key=_rank)


def _rank(group: list[PlacedFinding]) -> tuple[int, bool, int, int, int]:
    finding = group[0].finding
    return finding.mistake.rank, not finding.proven, -len(group), group[0].packet, group[0].number


def _frames_text(group: list[PlacedFinding]) -> str:
    """List the frames of a finding, with packet and conversation if they are from a capture."""
    distinct = sorted({(found.number, found.packet) for found in group})
    frames = [f"{number} (packet {packet})" if packet else str(number) for number, packet in distinct if number]
    others = [str(packet) for number, packet in distinct if not number]
    texts = [_listed("frame", frames)] if frames else []
    if others:
        # They are in no frame, so they have no number.
        texts.append(_listed("bytes of packet", others))
    if group[0].conversation is not None:
        texts.append(_conversation_text(group[0].conversation))
    return ", ".join(texts)


def _listed(noun: str, names: list[str]) -> str:
    more = len(names) - MAX_NAMED
    text = f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names[:MAX_NAMED])}"
    return f"{text} and {more} more" if more > 0 else text


def _conversation_text(conversation: Conversation) -> str:
    if conversation.number:
        return f"conversation {conversation.number}"
    return f"connection {conversation.client} -> {conversation.server}"


def print_text(report: ExplainReport, form: ReportForm) -> None:
    """Print a report as text."""
    paint = paint_for(sys.stdout)
    screen, clock = screen_of(sys.stdout), Clock()
    out: list[str] = [f"{paint.push}{printable(report.name)}{paint.reset}"] if form.named else []
    if not form.brief:
        for place, view in report.drawn:
            where = ""
            if place.conversation is not None:
                within = _conversation_text(place.conversation)
                where = f", {within}, packet {place.packet}, {clock.time(place.time)}"
            name = f"frame {place.number}" if place.number else "in no frame"
            out.append(f"{paint.push}{name}{paint.reset}: {title_of(place.piece)}{where}")
            out.extend(draw(view, paint, everything=form.everything))
            out.append("")
    if report.left_out and not form.brief:
        out.append(f"{report.left_out} more frames with nothing wrong are not drawn (--all draws them).")
    out.extend(f"note: {printable(note)}" for note in report.notes)
    ranked = report.ranked()
    for place_in_list, group in enumerate(ranked, 1):
        finding = group[0].finding
        sender = "" if finding.sender is None else f", {finding.sender.value}"
        likely = "" if finding.proven else " (likely)"
        mistake = finding.mistake
        where = f"[{mistake.id}{sender}, {_frames_text(group)}]"
        lines = wrapped(f"{place_in_list}. {mistake.title}{likely} {where}", 3, screen)
        # A title that has no room in one line is not coloured.
        lines[0] = lines[0].replace(mistake.title, f"{paint.bad}{mistake.title}{paint.reset}")
        for told in (f"Proof: {printable(finding.proof)}", f"Remedy: {mistake.remedy}"):
            lines += wrapped(told, 3, screen)
        out.append("\n   ".join(lines))
    pieces = f"{report.pieces} frame{'s' if report.pieces != 1 else ''}"
    if report.key_unknown:
        out.append(
            f"{report.key_unknown} of {pieces} encrypted, and their key is not known (--key, with the handshake)."
        )
    if not ranked and report.key_unknown < report.pieces:
        readable = " in the others" if report.key_unknown else ""
        out.append(f"{pieces}, no mistake found{readable}.")
    elif ranked and report.pieces > 1:
        out.append(f"{pieces}, {len(ranked)} mistake{'s' if len(ranked) != 1 else ''}.")
    write("\n".join(out) + "\n")


def print_json(report: ExplainReport, form: ReportForm) -> None:
    """Print a report as one JSON object."""
    frames = []
    for place, view in () if form.brief else report.drawn:
        piece = place.piece
        frame: dict[str, Any] = {
            "frame": place.number or None,
            "offset": piece.offset,
            "size": len(piece.raw),
            "sender": piece.sender.value if piece.sender else None,
            "proto_id": piece.proto_id or None,
            "cipher": piece.cipher,
            "header": [
                {"offset": one.offset, "hex": one.raw.hex(), "name": one.name, "meaning": one.meaning, "good": one.good}
                for one in header_fields(view)
            ],
            "body": body_json(view),
        }
        if place.conversation is not None:
            number = place.conversation.number or None
            frame |= {"conversation": number, "packet": place.packet, "time": place.time}
        frames.append(frame)
    found = [
        {
            "mistake": group[0].finding.mistake.id,
            "title": group[0].finding.mistake.title,
            "proof": group[0].finding.proof,
            "remedy": group[0].finding.mistake.remedy,
            "proven": group[0].finding.proven,
            "sender": group[0].finding.sender.value if group[0].finding.sender else None,
            "conversation": group[0].conversation.number or None if group[0].conversation else None,
            "frames": sorted({found.number for found in group if found.number}),
            "packets": sorted({found.packet for found in group if found.packet}),
        }
        for group in report.ranked()
    ]
    whole: dict[str, Any] = {"file": report.name} if form.named else {}
    whole |= {
        "frames_seen": report.pieces,
        "frames_sealed": report.key_unknown,
        "findings": found,
        "notes": report.notes,
        "frames": frames,
    }
    write(json.dumps(whole) + "\n")
