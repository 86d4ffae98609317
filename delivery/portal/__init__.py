"""Serve the portal: pages on which the people of one tenant manage endpoints and find out what became of messages.

The pages hold no rule. They call the operations of the REST API within this process (``rest``), as a principal that is
bound to the tenant of the session, so they accept, refuse and show what REST does. ``operations`` lists the operations
that pages may call, each with the capabilities that it needs; ``gate`` is in front of every page.
"""
