"""Declare kinds of systems, which sources read and endpoints write to: their settings, and the registry of each.

One declaration of a setting is check, form and documentation.
"""
