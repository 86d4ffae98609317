"""Hold the presets against the libraries of senders that are too large to be installed for all tests."""
