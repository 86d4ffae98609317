"""Find rows by anything that an operator has of them: ids, names, URLs, types, subjects, values of the payload."""
