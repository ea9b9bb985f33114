"""Refusals of the emulated platform."""

from __future__ import annotations


class PlatformError(Exception):
    """The platform refuses: an HTTP status with the code and message of its error body."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
