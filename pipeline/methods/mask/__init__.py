"""A mask on the frozen feature: cafe, feature-mask, token-mask."""
