"""Classical estimators: two lists, closed populations, sample coverage."""
