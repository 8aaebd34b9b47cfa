"""System of Record: what is known, proposed, decided, done and learned."""
