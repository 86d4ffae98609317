"""Run what the pages show: every fenced block of README.md and docs/ is executed, or checked, by a test here.

``blocks`` reads the pages, ``inventory`` says for each block by which test. A new block needs an entry there.
"""
