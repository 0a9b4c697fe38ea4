"""``ftwire record``: a proxy between clients and a gateway that records what passes it."""
