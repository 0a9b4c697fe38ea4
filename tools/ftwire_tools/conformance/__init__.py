"""Testing other implementations with the golden vectors."""
