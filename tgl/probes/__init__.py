"""Make probes, which are sentences with salient spans, from several sources in one schema."""
