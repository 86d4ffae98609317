"""Clients that others' generators make of the OpenAPI document, in Python, TypeScript and Go."""
