"""The status page: one look says whether it works, what is there, what goes next and what waits for a person.

Read-only and server-rendered. `overview` and `detail` are pure: from the live status to plain values that tests can
read without HTML. `pages` is all that a server needs.
"""
