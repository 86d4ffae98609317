"""Kinds of destinations besides ``http``: each a file that declares its settings and says how a message is sent.

To add one: a file with a subclass of ``HttpsKind`` or ``SocketKind``, its line in
``subscriptions.endpoints.destinations.registry.FILES``, its tests, and a guide (docs/how-to/add-a-destination.md).
"""
