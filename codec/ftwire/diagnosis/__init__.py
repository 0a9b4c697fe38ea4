"""What is wrong with bytes of this protocol: the known mistakes, tried until one explains them.

Bytes in, findings out. ``Session`` reads a conversation and gives ``Piece`` after ``Piece``, each with its
``Finding`` records: the mistake, its proof and its remedy.

====================  ====================================================================
``mistakes``          the known mistakes by ID, and what is said of each
``bounds``            lengths and byte order: where frames begin and end
``handshakes``        RSA, in the two bodies of InitConnect
``payloads``          AES, in everything after it
``bodies``            format, direction and completeness of plain bodies
``exchange``          serials, pushes, PacketID, silence
``envelopes``         WebSocket messages
``encryption``        what was agreed, what opens a frame, and why it does not
``pieces``            what a conversation is read as
``session``           all of it, for one conversation
``wiretree``          a protobuf body as a tree with offsets, with or without its schema
====================  ====================================================================
"""

from ftwire.diagnosis.mistakes import MISTAKES, Finding, Mistake
from ftwire.diagnosis.payloads import Secrets
from ftwire.diagnosis.pieces import Piece
from ftwire.diagnosis.session import Session
from ftwire.diagnosis.wiretree import WIRE_TYPES, Node, wire_tree

__all__ = ["MISTAKES", "WIRE_TYPES", "Finding", "Mistake", "Node", "Piece", "Secrets", "Session", "wire_tree"]
