"""Messages and their fields: enums, securities, secrets, summaries, comparison, and requests built from values."""
