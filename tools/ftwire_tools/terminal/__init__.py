"""Text for people: standard output, colours, progress, widths, JSON, times, addresses and hexadecimal input."""
