"""Evaluate JSONata expressions of tenants, in processes with limits of time and memory.

    transformer.py   JsonataTransformer: render a body; check an expression
    evaluators.py    the processes of this one: at most two, kept warm, ended when they fail
    evaluator.py     one process, seen from here: send a request, wait for the reply
    process.py       the program of that process: limits, and a loop over requests
    evaluation.py    what it does with a request
    frames.py        requests and replies as bytes

An expression may come from an attacker. The library checks its own limits between the steps of an evaluation only, so
a regular expression, a sort or a padded string passes them. Hence a process: the kernel counts its processor time and
its memory, and ends it.
"""
