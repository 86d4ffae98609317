"""Compile the operators of one field, match a scalar with one of them, and look up many of them at once.

Belongs here: everything that looks at one scalar. ``fields`` and ``matching`` call in.

    strings.py anything_but.py numeric.py cidr.py constants.py    the operators, each a value that accepts scalars
    field_lookup.py text_lookup.py                                the branches whose operators accept a scalar
"""
