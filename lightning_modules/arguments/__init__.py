"""Checks of the arguments that constructors and functions are given."""
