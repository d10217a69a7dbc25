"""Logistic regression on the frozen feature: linear-probe."""
