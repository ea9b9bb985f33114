"""The product as MCP tools: what an assistant may ask of the sessions, behind the same guards as everyone else."""
