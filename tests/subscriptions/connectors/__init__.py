"""Test connectors."""
