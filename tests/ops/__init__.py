"""Tests of the rules for Prometheus and of the dashboards."""
