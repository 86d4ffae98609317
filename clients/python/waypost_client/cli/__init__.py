"""The command line: `waypost publish`, `waypost listen 3000`, `waypost tail`, ...

Each module has commands of one subject. A command is a function of a Context; ``@command`` gives it a name, a help text
and arguments.
"""
