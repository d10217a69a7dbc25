"""Looking after stores: list, verify, compare, convert, clean up."""
