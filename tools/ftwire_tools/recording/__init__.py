"""The proxy of ``ftwire record``, and the recorder that writes its traffic to capture files."""
