"""Describe senders by name, as data: how each signs, checks an address, names messages, and what response it gets.

Belongs here: one TOML file for each sender (``presets``), the reader of these files, and the rules of handshakes. Pure:
no Django, clock or network. Called by ``sources``, ``receiving``, the REST API and the admin.
"""
