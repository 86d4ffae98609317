"""Poll HTTP APIs and feeds that have no webhooks: a GET at an interval, and an event for each new or changed item.

source.py    the kind and its settings
reader.py    poll when it is time, follow pages, and leave out items that were read before
pages.py     request one page, conditionally, and find its items and the next page
feeds.py     read RSS and Atom
"""
