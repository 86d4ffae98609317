"""Verify with senders' libraries what the presets sign, and verify by the presets what the libraries sign.

``battery`` has the checks, ``light`` the libraries that are installed for all tests. The libraries that bring much with
them are in tests/senders; ``make test-senders`` installs and tests them.
"""
