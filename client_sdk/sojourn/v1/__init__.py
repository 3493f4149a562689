"""Generated from `protos/sojourn/v1`; never edited. `make proto` makes it anew."""
