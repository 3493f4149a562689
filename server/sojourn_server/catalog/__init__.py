"""The catalog: every session that ever was, searchable, in SQL. One implementation for SQLite and PostgreSQL."""
