"""Deliver to servers of others, over every version of HTTP, whenever and however they close their connections."""
