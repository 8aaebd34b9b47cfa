"""Ways out: each channel sends batches and tells, for every message, how it ended."""
