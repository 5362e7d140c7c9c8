"""Plans as text: what the templates print, and the files that come of it."""
