"""A starting recipe from the data and the time at hand."""
