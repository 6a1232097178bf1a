"""The configuration: the root that combines the sections of each package, and its checks."""
