"""The operators' pages of the provider. Importing a module registers its pages.

They read, except for three things an operator may do: bring dead letters back, one by one or by filter, and
cancel that. Tables of any size stay browsable: no page counts rows, and every search is a look-up in an index.
"""

from django.contrib import admin

from delivery.admin import dead_letters, deliveries, events, lanes, replays, usage

__all__ = ["dead_letters", "deliveries", "events", "lanes", "replays", "usage"]

admin.site.index_template = "delivery/admin/index.html"
