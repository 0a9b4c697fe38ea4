"""The ``ftwire`` command."""
