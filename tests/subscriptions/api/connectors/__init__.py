"""Test the REST API of connectors."""
