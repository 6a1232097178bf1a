"""Plans: which sublayers learn, at which rate; made from a profile by pure functions."""
