"""The operators of one field: their arguments, what each accepts, and how many of them are looked up at once.

Belongs here: everything that looks at one scalar. Called by ``fields`` and ``matching`` of the room above.

    strings.py anything_but.py numeric.py cidr.py constants.py    the operators, each a value that accepts scalars
    field_lookup.py text_lookup.py                                the branches whose operators accept a scalar
"""
