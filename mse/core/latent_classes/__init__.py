"""Latent classes: density and chain."""
