"""Read and write MediaWiki dumps."""
