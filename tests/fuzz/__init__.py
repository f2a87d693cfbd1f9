"""Damaged files by the thousand: bytes and structure of every format that is read, each in a forked child.

``python -m tests.fuzz`` (``make fuzz``) writes what came of it to ``docs/reliability.md``.
"""
