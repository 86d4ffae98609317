"""Show operators what concerns the whole platform. Django's admin calls in; importing a module registers its page."""

from django.contrib import admin

from config.admin import capacity as capacity
from config.admin import processes as processes
from config.admin import users as users

admin.site.index_template = "config/home.html"  # filled by UNFOLD["DASHBOARD_CALLBACK"]
admin.site.index_title = "Overview"
