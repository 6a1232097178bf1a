"""Scores of spans and text, and the measures made of them."""
