"""Tests of the check of the encryption keys."""
