"""A real shop's history, written as the CSV exports that such a shop would hand over."""
