"""Capture files: opened for reading, from a path or standard input, and written."""
