"""``ftwire replay``: the requests of a capture sent again, and the replies compared."""
