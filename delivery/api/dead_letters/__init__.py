"""Serve dead letters, the changes of single ones, and the jobs that discard or acknowledge many."""
