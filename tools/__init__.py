"""System of Action: the only code that touches the world."""
