"""Show what a text names: the page behind the search box of every page of the admin."""
