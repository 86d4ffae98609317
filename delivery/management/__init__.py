"""Hold the management commands of the provider."""
