"""Declare fields of strict serializers: each accepts exactly its JSON type, and names itself in its error.

REST framework reads ``"5"`` as 5 and ``1`` as ``"1"``; here both are errors.

    scalars.py       strings, numbers, booleans, choices, URLs, instants
    json_values.py   arrays, objects, and any JSON that can be stored
    references.py    the id of a row, and references to other rows
"""
