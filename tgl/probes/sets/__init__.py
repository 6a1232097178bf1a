"""Provide the sources of probes, one module for each."""
