"""Searches: who chooses, who trains, who stops, what was found."""
