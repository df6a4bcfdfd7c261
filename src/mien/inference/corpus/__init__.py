"""Many videos → a folder with a table for each, read by several processes."""
