"""Traced Gradient Layers: gradient profiles, plans and continual pretraining, with their controls."""
