"""Prepare training text: documents of a corpus, the held-out share, the tokenizer and packed blocks of tokens."""
