"""Serve the pages of alerts: those that fire and those of the past, and the rules that raise them."""
