"""What must survive a restart: marks, plans, approvals, limits, breakers, and the chained record of every action."""
