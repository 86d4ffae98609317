"""wip"""

from rest_framework.pagination import CursorPagination
from rest_framework.views import exception_handler as problem  # noqa: F401


class CursorPages(CursorPagination):
    ordering = "-id"
