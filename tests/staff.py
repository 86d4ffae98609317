"""Log in members of staff, for the admin's pages."""

from django.contrib.auth.models import Permission, User
from django.test import Client


def staff(*permissions: str, username: str = "staff", superuser: bool = False) -> Client:
    """Log in a new member of staff with these permissions, by their code names."""
    user = User.objects.create(username=username, is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client
