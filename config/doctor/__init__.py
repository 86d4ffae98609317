"""Check an installation: what it needs is there, works, and is set up for production; say what to do where it is not.

A check is a function of ``CHECKS`` that returns its findings. It reads and tries, and leaves nothing behind but the
endpoint of ``own_delivery``, which a later run uses again.
"""
