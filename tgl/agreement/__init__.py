"""Does the gradient picture agree with causal tracing, and with how far sublayers really move?"""
