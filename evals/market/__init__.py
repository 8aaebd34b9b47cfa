"""A seeded market of simulated customers that react to the messages they really get; it proves logic, never lift."""
