"""Share what the admin pages of all three apps have in common: the list of rows, and the format of values.

Belongs here: what two apps' admin pages need. Only admin rooms call in. Works with and without django-unfold.
"""
