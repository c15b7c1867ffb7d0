"""The yardstick: how often a method's intervals hold the size of populations that are known."""
