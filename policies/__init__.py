"""Guardrails: facts and limits in, findings out."""
