"""What Wireshark needs to show the protocol: a dissector, message definitions, a profile, a capture interface, keys."""
