"""Tryton, series 8.2: https://docs.tryton.org/latest/server."""
