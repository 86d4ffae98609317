"""Offer what only the provider can do on the page of an endpoint: test it, retry what waits, reach its deliveries."""
