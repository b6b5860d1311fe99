"""Fixtures that all tests may ask for, beside those of each folder."""

pytest_plugins = ["tests.verbs"]
