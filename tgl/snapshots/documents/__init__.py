"""Dated collections of documents as snapshots: files of records, folders, Hugging Face datasets, git repositories."""
