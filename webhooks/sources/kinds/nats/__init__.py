"""Streams of NATS JetStream.

connecting.py   a connection to a checked address, and calls on it from a thread that is no coroutine
jetstream.py    the kind nats
"""
