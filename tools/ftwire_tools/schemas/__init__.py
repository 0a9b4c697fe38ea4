"""Message definitions, ours and those of any SDK release: looked up, compared, written as ``.proto``."""
