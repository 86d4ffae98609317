"""Serve pages safely: what they may load, and what is shown when one cannot be."""
