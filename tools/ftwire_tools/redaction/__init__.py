"""``ftwire redact``: captures written anew without what must not be shared."""
