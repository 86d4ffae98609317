"""Hold the management commands of the receiver."""
