"""Respond to the requests by which senders check that an address exists and knows its secret.

Belongs here: what a handshake does with a request and a source; the rules themselves are ``senders.handshake``. Called
by ``receive`` for messages, and by ``inbound_view`` for GET and HEAD.

    challenges.py    the reply of the source's rules, and the confirmation that Amazon SNS asks for
    messages.py      messages that are part of a handshake: verified, stored, or without a valid signature
"""
