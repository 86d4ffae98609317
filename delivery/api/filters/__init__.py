"""Filter the lists of the provider: the filters of each list, the fields they are made of, and filters in bodies.

To add a filter of a list: a line in ``lists``. ``delivery.reading.list_filters`` has the conditions.
"""
