"""Download the dumps that Wikimedia and its mirrors publish."""
