"""Check events against the schemas of their types, what a schema costs, and outline it for pages."""
