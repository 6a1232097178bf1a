"""Python code of the workflow. The package `tgl` does not depend on it."""
