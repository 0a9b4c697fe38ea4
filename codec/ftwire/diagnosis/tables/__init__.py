"""The known mistakes as tables, by what they are about."""
