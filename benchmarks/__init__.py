"""Measurements behind the published numbers, each a script to run again."""
