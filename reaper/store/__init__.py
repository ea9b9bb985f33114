"""What must survive a restart: marks, approvals, breakers, and the journal of every action."""
