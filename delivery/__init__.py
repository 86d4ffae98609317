"""Publish events and deliver them: fan-out, the drain, transports, dead letters, replay."""
