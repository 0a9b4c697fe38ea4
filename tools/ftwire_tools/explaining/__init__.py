"""``ftwire explain``: frames drawn byte by byte, with what is wrong with them."""
