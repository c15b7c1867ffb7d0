"""From the data of the user to patterns and counts: checks, decoding, counting."""

from __future__ import annotations
