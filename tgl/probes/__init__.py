"""Salient spans: probes from the synthetic world, TempLAMA and ECBD, in one schema."""
