"""What the estimators of `stages.sklearn` are made of."""
