"""The golden master: what the library answers, kept, so that no change alters a number unseen.

A group (`tests/golden/groups.py`) computes records by the public names of `mse` alone; their values are
stored in `tests/golden/values`, one JSON file a group. ``python -m tests.golden write`` writes them anew.
"""
