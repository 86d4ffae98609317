"""Declare the settings of a kind of source or endpoint: one declaration is check, form and documentation."""
