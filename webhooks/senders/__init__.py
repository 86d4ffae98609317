"""Describe senders by name, as data: how each signs, checks an address, names its messages, and wants to be answered.

Belongs here: one TOML file for each sender (``presets``), the reader of these files, and the rules of handshakes. Pure:
no Django, clock or network. Called by ``sources``, ``receiving``, the REST API and the admin.
"""
