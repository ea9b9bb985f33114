"""Why a tool did nothing, in words for the assistant."""

from __future__ import annotations


class NotDoneError(Exception):
    """Why a tool did not do what was asked, and what to do next."""
