"""Segments: a closed grammar of predicates over contacts, compiled, evaluated and printed as a sentence."""
