"""The doctor: tests every part of a workspace and says what to do."""
