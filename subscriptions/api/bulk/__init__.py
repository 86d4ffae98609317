"""Create, replace and delete many endpoints, and delete many subscriptions, in one request.

Belongs here: requests about many rows, which have a budget of time, so that a caller sends what is left again.
"""
