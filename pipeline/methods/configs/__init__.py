"""The options of every method, one module each. No torch here: params.yaml is checked with them."""
