"""Run the platform on one machine: embedded servers, `manage.py up`, its supervisor, the demo.

Production needs nothing from here. Only management commands, settings, tests and benchmarks may import this package.
"""
