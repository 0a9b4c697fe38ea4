"""What ``ftwire dump`` does with one input."""
