"""Offer operations on the page of an endpoint: buttons, and a page that asks before what hurts.

``operation`` has the registry, the buttons and the page; ``states`` and ``edit`` are this app's operations. The
provider's admin registers its own.
"""
