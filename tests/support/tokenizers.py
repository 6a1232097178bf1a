"""Texts to train a tokenizer on, and what tests do with one."""

import json

TEXTS = [
    f"The number {number} of {word} is {number * 7}." for number in range(60) for word in ("Berlin", "IBM")
]


def encode(tokenizer, text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
