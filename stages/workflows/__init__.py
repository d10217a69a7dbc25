"""What each stage does: a typed request -> a typed result. Nothing here parses a command line or prints data."""
