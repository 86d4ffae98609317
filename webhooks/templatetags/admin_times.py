"""Write times in the admin's templates."""

from django import template

from webhooks.kit.admin.display import when

register = template.Library()
register.filter(when)
