"""Pure thought: what a session is, what a policy says of it, what may be planned. Knows no I/O and no libraries."""
