"""Run the main job of the platform from end to end and count what arrived: `manage.py demo`.

`story.py` lists the steps. The demo sees the platform only from outside, over HTTP with a tenant's key, so nothing here
imports the product's apps, and nothing imports the demo but its command.
"""
