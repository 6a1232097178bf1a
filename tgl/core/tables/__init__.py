"""Tables: Parquet artifacts that are written atomically and read with checks."""
