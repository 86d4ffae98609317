"""Share one dialect of REST: strict serializers, query parameters and filters, cursor pages, resources, conflicts.

Belongs here: what every resource of the API has in common, without naming one. The ``api`` folders of all three apps
may call in; the settings of the platform name the pages and ``subscriptions.api.conventions`` renders the errors.
"""
