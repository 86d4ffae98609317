"""Collect the models of the platform itself, for Django."""

from config.access.authenticator import Authenticator
from config.access.recovery_codes import RecoveryCode, RecoveryCodes
from config.upgrade.models import InstalledVersion

__all__ = ["Authenticator", "InstalledVersion", "RecoveryCode", "RecoveryCodes"]
