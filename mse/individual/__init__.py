"""Estimators of persons with covariates of their own, categorical and continuous."""

from mse.individual.doubly_robust import DoublyRobust, DoublyRobustFit
from mse.individual.huggins_alho import HugginsAlho, HugginsAlhoFit

__all__ = ["DoublyRobust", "DoublyRobustFit", "HugginsAlho", "HugginsAlhoFit"]
