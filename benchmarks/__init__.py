"""Measurements behind the numbers in the docs; each prints what it measured."""
