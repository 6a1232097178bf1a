"""Compute statistics of runs and profiles: intervals, paired comparisons, agreement with other measures."""
