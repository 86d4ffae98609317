"""Check that this process has the keys with which stored values are encrypted."""
