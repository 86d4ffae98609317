"""Create the first admin user, with a password that is kept in a file."""

import secrets
from concurrent.futures import Executor, Future
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import ProgrammingError

from config import env


class FirstLogin:
    """The login of the first admin user, whose password is hashed by ``beside``, from now on if there is no user."""

    def __init__(self, data: Path, beside: Executor) -> None:
        self._kept = data / "secrets" / "admin_password"
        self._hash: Future[str] | None = None
        if not self._exists():
            password = env.read_or_create(self._kept, lambda: secrets.token_urlsafe(12))
            self._hash = beside.submit(make_password, password)

    def created(self) -> str:
        """Create the user unless there is one; return its login for as long as its password file exists."""
        if self._hash is not None and not self._exists():
            users = get_user_model().objects
            users.create(username="admin", password=self._hash.result(), is_staff=True, is_superuser=True)
        if not self._kept.exists():
            return ""
        return (
            f"admin, password in {self._kept}"
            if settings.IN_PRODUCTION
            else f"admin / {self._kept.read_text().strip()}"
        )

    @staticmethod
    def _exists() -> bool:
        try:
            return bool(get_user_model().objects.filter(is_superuser=True).exists())
        except ProgrammingError:  # there is no table yet
            return False
