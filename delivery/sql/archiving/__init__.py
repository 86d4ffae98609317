"""Statements of the archive: choose the events that may go, read what is archived of them, lock it, restore events."""
