"""Other implementations held against the golden vectors."""
