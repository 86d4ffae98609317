"""Collect the models of the platform itself, for Django."""

from config.access.authenticator import Authenticator
from config.upgrade.models import InstalledVersion

__all__ = ["Authenticator", "InstalledVersion"]
