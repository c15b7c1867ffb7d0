"""Sections of a report, a small function each: from results to content, computing nothing."""
