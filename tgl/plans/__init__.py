"""Plans: which sublayers are trained, and at which learning rate. Pure functions compute them from a profile."""
