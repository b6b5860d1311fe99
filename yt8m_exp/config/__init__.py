"""Configurations of verbs: how they are composed, written on a command line, and checked."""
