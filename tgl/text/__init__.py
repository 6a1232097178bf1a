"""Training text: documents of a corpus, the held-out share, tokenizer and packed token blocks."""
