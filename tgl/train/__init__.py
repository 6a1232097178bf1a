"""Pretraining and continual pretraining: one loop, two engines."""
