"""The commands of ``ftwire``: one module or package each, which parses its arguments and calls a capability."""
