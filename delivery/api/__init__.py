"""The REST doors of the provider: they fetch, call one verb, answer. ``urls.py`` says which stands where."""
