"""Keeps the hosted agent sessions of Microsoft Foundry in order."""

__version__ = "0.1.0"
