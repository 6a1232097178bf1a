"""Models: their sublayers, and functions that create, load, check and save them."""
