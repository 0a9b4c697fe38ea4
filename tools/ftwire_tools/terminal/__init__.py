"""Standard output and error: writing, colours, progress, times and addresses as a person writes them."""
