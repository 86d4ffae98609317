"""Format values on admin pages."""
