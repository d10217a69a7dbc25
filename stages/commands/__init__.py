"""One module per command of fer-stage: its options, and how its result is printed."""
