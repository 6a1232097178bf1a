"""From scores to claims: rates chosen on validation, intervals, corrected comparisons, equal uptake, power."""
