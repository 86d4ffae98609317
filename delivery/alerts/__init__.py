"""Alert people: evaluate rules, keep the history of alerts, and make the messages about them.

    conditions/   what rules can watch, one file each
    rules         create, change and delete rules
    evaluate      find where the conditions of due rules hold, and store what follows
    transitions   what follows for each alert (pure)
    announce      make the messages that are due
    history       acknowledge and snooze alerts

Called by the REST API, the admin and the tasks. The receiver has conditions of its own (``webhooks.conditions``).
"""
