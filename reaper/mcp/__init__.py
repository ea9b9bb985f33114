"""The product as MCP tools: what an assistant may ask of the sessions, behind the same guards as everyone else."""

from reaper.mcp.context import ToolContext
from reaper.mcp.http_access import HttpAccess
from reaper.mcp.server import make_server

__all__ = ["HttpAccess", "ToolContext", "make_server"]
