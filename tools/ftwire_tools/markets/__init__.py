"""What is known of markets: codes and their prefixes, time zones, trading hours."""
