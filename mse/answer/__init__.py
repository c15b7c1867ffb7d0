"""The answer to one question, and what gives it."""
