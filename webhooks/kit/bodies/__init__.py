"""Store the bodies of messages, in their rows or as objects in storage, and read them.

``claim_check`` keeps a body while it arrives and stores it, ``durable_files`` syncs it to disk; ``message_body`` reads
it as JSON or as a form.
"""
