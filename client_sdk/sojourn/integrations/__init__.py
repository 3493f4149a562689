"""Sojourn inside other frameworks: one subpackage for each, which needs that framework installed."""
