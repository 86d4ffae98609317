"""Kinds of sources besides ``http``: each a file with its settings and its reader. ``kind`` defines the interface.

To add one: a file with a subclass of ``Kind``, its line in ``registry.FILES``, a guide in docs/how-to, and its tests.
"""
