"""Show names and texts of the API on the pages that need no sign-in."""

from django import template

from webhooks.kit.admin.breakable_names import breakable
from webhooks.kit.admin.display import code_marks

register = template.Library()
register.filter(breakable)
register.filter(code_marks)
