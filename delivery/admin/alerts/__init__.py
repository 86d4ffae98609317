"""The admin pages of alerts and alert rules."""
