"""The audit: what the past sends, orders and consents of another system show, judged by the rules of a pack."""
