"""Serve the first page, which links every part of the platform."""

from django.template.loader import render_to_string

from config.ops.fixed_page import FixedPage

page = FixedPage(lambda: render_to_string("config/landing.html").encode(), "text/html; charset=utf-8")
