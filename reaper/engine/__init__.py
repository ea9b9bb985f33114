"""Sweeps: collect, plan, mark, execute, report, and what is known of them afterwards."""
