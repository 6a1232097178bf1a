"""Records of TempLAMA files, and what is expected of them."""

import zlib
from collections import defaultdict

PAIRS = {"20200101": ["2019", "2020"]}
REASONS = ("used", "other_date", "answer_not_last", "empty_answer")


def record(date, *names, query="Alex plays for _X_.", key="Q1_P54", relation="P54"):
    answer = [{"wikidata_id": f"Q{zlib.crc32(name.strip().encode())}", "name": name} for name in names]
    found = {"query": query, "answer": answer, "date": date, "relation": relation}
    return found | ({"id": f"{key}_{date}"} if key else {})


def lost_answers(records, pairs) -> tuple[int, int]:
    """Return (deleted, replaced) answers, from sets of records that can all be used."""
    held = defaultdict(set)
    for found in records:
        given = found["answer"] if isinstance(found["answer"], list) else [found["answer"]]
        key = found["id"].rpartition("_")[0] if found.get("id") else found["query"]
        if found["query"].partition("_X_")[2].strip(" .") == "" or found["query"].startswith("_X_ is the "):
            held[found["date"]] |= {(key, answer["name"].strip()) for answer in given} - {(key, "")}
    deleted = replaced = 0
    for before, after in pairs.values():
        lost = held[before] - held[after]
        gone = {key for key, _ in held[before]} - {key for key, _ in held[after]}
        deleted += sum(key in gone for key, _ in lost)
        replaced += sum(key not in gone for key, _ in lost)
    return deleted, replaced


def spans(rows):
    return [(row["kind"], row["text"][row["span_start"] : row["span_end"]]) for row in rows]
