"""Define what alert rules can watch: a condition finds the subjects for which it holds, by a few cheap queries.

    condition      a condition, what it is asked and what it finds
    registry       the conditions of all installed apps, by name
    ends           what conditions about certificates, keys and secrets that end have in common

Each app registers its own when it is set up. They are evaluated by the provider (``delivery.alerts``), which knows
nothing of what a condition looks at.
"""
