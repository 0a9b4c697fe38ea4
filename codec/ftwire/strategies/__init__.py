"""Hypothesis strategies for what goes over the wire; needs the extra ``fuzz``."""

from ftwire.strategies._messages import messages

__all__ = ["messages"]
