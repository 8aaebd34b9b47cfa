"""The report: one self-contained page on what was proposed, decided, sent, measured and learned."""
