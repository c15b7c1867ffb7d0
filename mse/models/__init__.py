"""Hierarchical models: terms, notation, catalogues."""
