"""Keeps the hosted agent sessions of Microsoft Foundry in order."""
