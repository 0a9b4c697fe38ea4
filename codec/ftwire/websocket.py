"""The WebSocket envelope of OpenD's JavaScript clients."""
