"""Files that another program leaves in a folder, as CSV."""
