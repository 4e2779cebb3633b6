"""Searches of the network itself."""
