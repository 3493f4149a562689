"""What sessions are and how they change: pure data and rules, no I/O, no wire format."""
