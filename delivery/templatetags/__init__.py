"""Format values on the admin pages."""
