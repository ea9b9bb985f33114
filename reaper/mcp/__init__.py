"""The product as MCP tools: what an assistant may ask of the sessions, behind the same guards as everyone else."""

from reaper.mcp.context import Desk
from reaper.mcp.http_access import Gate
from reaper.mcp.server import make_server

__all__ = ["Desk", "Gate", "make_server"]
