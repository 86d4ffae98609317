"""Fit into the project that installs the apps: its settings, packages and logs."""
