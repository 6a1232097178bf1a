"""Score spans and text with a model."""
