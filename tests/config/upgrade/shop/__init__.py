"""An app without models: the tests write its migrations."""
