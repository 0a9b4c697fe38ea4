"""What is wrong with bytes of this protocol: the known mistakes, tried until one explains them.

Bytes in, findings out. ``ConversationChecker`` reads a conversation and returns ``Piece`` records, each with its
``Finding`` records: the mistake, its proof and its remedy.

====================  ====================================================================
``mistakes``          the known mistakes by ID, each with a title and a remedy, from ``tables``
``other_protocols``   what other protocols begin with
``bounds``            lengths and byte order: where frames begin and end
``handshakes``        RSA, in the two bodies of InitConnect
``rsa_blocks``        RSA blocks with another padding or size
``payloads``          AES, in everything after it: the ciphers that may have been taken for the one agreed on
``other_encryptions`` AES with another padding, IV, key, mode or length: the search for all of it
``digests``           what a wrong digest is the digest of
``header_layouts``    headers with padding, other sizes, another magic
``requests``          what requests hold: names, numbers, codes, the key of WebSocket
``refusals``          OpenD's errors, by their texts
``bodies``            format, direction and completeness of plain bodies
``wrapped_bodies``    bodies as text, compressed, after their length; JSON that is none
``exchange``          serials, pushes, PacketID, silence
``envelopes``         WebSocket messages
``encryption``        what the handshake agreed on, which cipher opens a frame, and why none does
``pieces``            the parts that a conversation is cut into: frames, envelopes, other bytes
``checker``           all of it, for one conversation
``wiretree``          a protobuf body as a tree with offsets, with or without its schema
====================  ====================================================================
"""

from ftwire.diagnosis.checker import ConversationChecker
from ftwire.diagnosis.mistakes import MISTAKES, Finding, Mistake
from ftwire.diagnosis.payloads import SessionKeys
from ftwire.diagnosis.pieces import Piece
from ftwire.diagnosis.wiretree import WIRE_TYPES, Node, wire_tree

__all__ = [
    "MISTAKES",
    "WIRE_TYPES",
    "ConversationChecker",
    "Finding",
    "Mistake",
    "Node",
    "Piece",
    "SessionKeys",
    "wire_tree",
]
