"""Checking handwritten equations against derived ones."""
