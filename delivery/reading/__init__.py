"""Read what was published and delivered: lists, filters, expansion, explanations, dry runs, timelines, lane status.

Nothing here writes. Called by the REST API and the admin.
"""
