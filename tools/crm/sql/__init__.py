"""Tables of a database: PostgreSQL, or a warehouse that speaks its language."""
