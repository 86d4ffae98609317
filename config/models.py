"""Collect the models of the platform itself, for Django."""

from config.upgrade.models import InstalledVersion

__all__ = ["InstalledVersion"]
