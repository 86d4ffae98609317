"""Show what is wrong when a request or a page cannot be served, and say what pages may load."""
