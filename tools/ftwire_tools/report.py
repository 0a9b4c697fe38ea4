"""What was found in an input, ranked, and how it is told to people and to programs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ftwire_tools.clock import Clock
from ftwire_tools.drawing import body_json, draw, header_fields, title_of
from ftwire_tools.paint import paint_for

if TYPE_CHECKING:
    from ftwire.diagnosis import Finding, Piece
    from ftwire.frame import Role
    from ftwire_tools.sighting import Talk

__all__ = ["Form", "Place", "Report", "print_json", "print_text"]

MAX_NAMED: Final = 8
"""Frames that a finding names."""


class Form(NamedTuple):
    """How a report is shown."""

    show_secrets: bool
    everything: bool
    brief: bool


class Place(NamedTuple):
    """A piece, and where it was found."""

    number: int
    """Among all pieces of the input, from 1."""
    piece: Piece
    talk: Talk | None
    time: int
    packet: int


class Report:
    """All that is to be said about one input."""

    def __init__(self) -> None:
        self.places: list[Place] = []
        """Pieces kept to be drawn."""
        self.pieces = 0
        """How many there were."""
        self.sealed = 0
        """How many of them are encrypted without a known key."""
        self.left_out = 0
        """How many would be drawn if there were fewer."""
        self.findings: list[tuple[Finding, int, int | None]] = []
        """Each with the number of its piece, and of its conversation."""
        self.notes: list[str] = []

    def add(self, place: Place, *, keep: bool) -> None:
        """Take a piece."""
        self.pieces += 1
        self.sealed += place.piece.sealed
        if keep:
            self.places.append(place)
        for finding in place.piece.findings:
            self.findings.append((finding, place.number, place.talk.number if place.talk else None))

    def ranked(self) -> list[tuple[Finding, list[int], int]]:
        """Return each mistake of each side of each conversation once: its first finding, its frames, how many.

        First what explains most: the whole of a session, then one side's frames, then single ones.
        """
        groups: dict[tuple[str, Role | None, int | None], list[tuple[Finding, int]]] = {}
        for finding, number, talk in self.findings:
            groups.setdefault((finding.mistake.id, finding.sender, talk), []).append((finding, number))
        ranked = [(group[0][0], [number for _, number in group], len(group)) for group in groups.values()]
        return sorted(ranked, key=lambda one: (one[0].mistake.rank, not one[0].proven, -one[2], one[1][0]))


def _frames_text(numbers: list[int]) -> str:
    distinct = sorted(set(numbers))
    shown = ", ".join(map(str, distinct[:MAX_NAMED]))
    more = len(distinct) - MAX_NAMED
    return f"frame{'s' if len(distinct) > 1 else ''} {shown}" + (f" and {more} more" if more > 0 else "")


def print_text(report: Report, form: Form) -> None:
    """Print a report for people."""
    paint = paint_for(sys.stdout)
    clock = Clock()
    out: list[str] = []
    if not form.brief:
        for place in report.places:
            where = ""
            if place.talk is not None:
                where = f", conversation {place.talk.number}, packet {place.packet}, {clock.time(place.time)}"
            out.append(f"{paint.push}frame {place.number}{paint.reset}: {title_of(place.piece)}{where}")
            out.extend(draw(place.piece, paint, show_secrets=form.show_secrets, everything=form.everything))
            out.append("")
    if report.left_out and not form.brief:
        out.append(f"{report.left_out} more frames with nothing wrong are not drawn (--all draws them).")
    out.extend(f"note: {note}" for note in report.notes)
    ranked = report.ranked()
    for place_in_list, (finding, numbers, _count) in enumerate(ranked, 1):
        sender = "" if finding.sender is None else f", {finding.sender.value}"
        likely = "" if finding.proven else " (likely)"
        mistake = finding.mistake
        out.append(
            f"{place_in_list}. {paint.bad}{mistake.title}{paint.reset}{likely} "
            f"[{mistake.id}{sender}, {_frames_text(numbers)}]"
        )
        out.append(f"   Proof: {finding.proof}")
        out.append(f"   Remedy: {mistake.remedy}")
    pieces = f"{report.pieces} frame{'s' if report.pieces != 1 else ''}"
    if report.sealed:
        out.append(f"{report.sealed} of {pieces} encrypted, and their key is not known (--key, with the handshake).")
    if not ranked and report.sealed < report.pieces:
        readable = " in the others" if report.sealed else ""
        out.append(f"{pieces}, no mistake found{readable}.")
    elif ranked and report.pieces > 1:
        out.append(f"{pieces}, {len(ranked)} mistake{'s' if len(ranked) != 1 else ''}.")
    sys.stdout.write("\n".join(out) + "\n")


def print_json(report: Report, form: Form) -> None:
    """Print a report as one JSON object."""
    frames = []
    for place in () if form.brief else report.places:
        piece = place.piece
        frame: dict[str, Any] = {
            "frame": place.number,
            "offset": piece.offset,
            "size": len(piece.raw),
            "sender": piece.sender.value if piece.sender else None,
            "proto_id": piece.proto_id or None,
            "cipher": piece.cipher,
            "header": [
                {"offset": one.offset, "hex": one.raw.hex(), "name": one.name, "meaning": one.meaning, "good": one.good}
                for one in header_fields(piece)
            ],
            "body": body_json(piece, show_secrets=form.show_secrets),
        }
        if place.talk is not None:
            frame |= {"conversation": place.talk.number, "packet": place.packet, "time": place.time}
        frames.append(frame)
    found = [
        {
            "mistake": finding.mistake.id,
            "title": finding.mistake.title,
            "proof": finding.proof,
            "remedy": finding.mistake.remedy,
            "proven": finding.proven,
            "sender": finding.sender.value if finding.sender else None,
            "frames": sorted(set(numbers)),
        }
        for finding, numbers, _ in report.ranked()
    ]
    whole = {
        "frames_seen": report.pieces,
        "frames_sealed": report.sealed,
        "findings": found,
        "notes": report.notes,
        "frames": frames,
    }
    sys.stdout.write(json.dumps(whole, ensure_ascii=True) + "\n")
