"""Each of the systems Sojourn unites: what its users did, done with Sojourn."""
