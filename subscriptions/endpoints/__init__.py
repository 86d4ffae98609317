"""Manage endpoints: state, verification, signing secrets, credentials, certificates, OAuth tokens.

Every write to an endpoint goes through here. Called by the REST API, the admin and ``delivery``.
"""
