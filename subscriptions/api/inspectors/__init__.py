"""Serve request inspectors: the resource of the API, the address that receives requests, and the page for browsers."""
