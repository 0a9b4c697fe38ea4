"""Which frames are shown."""
