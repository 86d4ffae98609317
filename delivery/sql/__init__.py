"""Hold every SQL statement of the provider's tables that Django's ORM does not write, one module per subject.

Each statement works on many rows and names its reader and its index. Called by the rooms of ``delivery``.
"""
