"""Gradient profiles: gradient norms of salient spans by sublayer, relative to several kinds of text, with intervals."""
