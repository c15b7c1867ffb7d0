"""Posterior over decomposable graphs."""
