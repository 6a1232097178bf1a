"""How every artifact of an experiment came about: its manifest, checked by `verify`, told by `explain`."""
