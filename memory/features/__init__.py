"""Features: what is known about each contact, derived from the lake, each defined once.

``registry.REGISTRY`` holds the definitions, ``table.compute`` materialises them.
"""
