"""Run everything on one machine with two commands: embedded servers, ``manage.py up``, its supervisor, the demo.

Production needs none of it.
"""
