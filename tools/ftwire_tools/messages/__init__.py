"""What is known of messages and their fields: names, enums, paths, which are secret, summaries, comparison."""
