"""What watches the reaper: its dashboard as code, the page of its metrics, and tests against live servers."""
