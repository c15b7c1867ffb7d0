"""Averages over log-linear models: density, posterior modes, chain."""
