"""Bayesian estimators: posterior distributions of the hidden number, on the same tables."""
