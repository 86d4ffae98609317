"""Test connectors on servers that accept what their vendors document."""
