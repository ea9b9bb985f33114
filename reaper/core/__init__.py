"""What a session is, what a policy says of it, what may be planned, and the port of every provider; no I/O."""
