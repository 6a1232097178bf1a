"""Language variants of a wiki, as in -{zh-hans:a;zh-hant:b}-: the text that a reader of the first variant sees."""

from __future__ import annotations

import re

# Variants of each language with a converter, in the order in which they are preferred.
_VARIANTS = {
    "zh": ("zh-hans", "zh-cn", "zh", "zh-hant", "zh-tw", "zh-hk", "zh-mo", "zh-sg", "zh-my"),
    "sr": ("sr-ec", "sr-cyrl", "sr", "sr-el", "sr-latn"),
    "gan": ("gan-hans", "gan", "gan-hant"),
    "iu": ("ike-cans", "iu", "ike-latn"),
    "kk": ("kk-cyrl", "kk", "kk-kz", "kk-latn", "kk-tr", "kk-arab", "kk-cn"),
    "ku": ("ku-latn", "ku", "ku-arab"),
    "shi": ("shi-tfng", "shi", "shi-latn"),
    "tg": ("tg", "tg-latn"),
    "uz": ("uz-latn", "uz", "uz-cyrl"),
    "crh": ("crh-latn", "crh", "crh-cyrl"),
}
_MARKED = re.compile(r"-\{([^{}]*)\}-")
_FLAGS = re.compile(r"\s*([A-Z+\-](?:\s*;\s*[A-Z+\-])*|[a-z-]+(?:\s*;\s*[a-z-]+)*)?\s*\|")
_HIDDEN = frozenset("HT-")  # a rule for the page, its title, and a rule that ends


def resolve_variants(wikitext: str, language: str) -> str:
    """Return wikitext with the text of the first variant in place of each -{...}-, for a language that has variants.

    Marks inside of marks are resolved from the inside. Linear in the text for each of at most five levels.
    """
    order = _VARIANTS.get(language)
    if order is None or "-{" not in wikitext:
        return wikitext
    for _ in range(5):
        resolved = _MARKED.sub(lambda match: _shown(match[1], order), wikitext)
        if resolved == wikitext:
            return resolved
        wikitext = resolved
    return wikitext


def _shown(content: str, order: tuple[str, ...]) -> str:
    flags, text = "", content
    if match := _FLAGS.match(content):
        flags, text = (match[1] or "").replace(" ", ""), content[match.end() :]
    if _HIDDEN & set(flags.split(";")):
        return ""
    if "R" in flags.split(";"):
        return text
    choices: dict[str, str] = {}
    for rule in text.split(";"):
        code, colon, value = rule.partition(":")
        code = (
            code.partition("=>")[2].strip() or code.strip()
        )  # a rule from one word, as in word=>zh-cn:other
        if colon and code.lower() in order:
            choices[code.lower()] = value.strip()
    return next((choices[code] for code in order if code in choices), text)
