"""Show the figures of the platform, of a tenant and of an endpoint as charts, and how each endpoint is."""
