"""Format values on the admin's pages of every app."""
