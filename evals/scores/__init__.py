"""Scores: each agent by itself, the end state, and what must never happen. All are pure functions of an outcome."""
