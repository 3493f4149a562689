"""What callers can do, one module a noun. Knows no wire format and no engine."""
