"""A hostile client and a hostile gateway, what they send, and how they judge what comes back."""
