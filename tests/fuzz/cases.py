"""How many cases, what may come of each, and the strategies that several targets share."""

import contextlib
import copy
import faulthandler
import functools
import json
import lzma
import os
import resource
import time
from pathlib import Path

from hypothesis import HealthCheck, reject, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError

# Over all targets together: some seconds of `make test`; TGL_FUZZ_CASES=100000 for a night.
CASES = int(os.environ.get("TGL_FUZZ_CASES", "1000"))
_MOST_SECONDS = 20  # of computing, so that a busy machine fails nothing
_HANGS = 900  # seconds by the clock


def cases(share: float):
    """Return a decorator of a target: it gets this share of the cases, and those it runs are counted."""
    most = max(5, round(CASES * share))

    def of_target(test):
        inner, test.fuzz = test.hypothesis.inner_test, {"asked": most, "run": 0}

        @functools.wraps(inner)
        def counted(*arguments, **named):
            test.fuzz["run"] += 1
            return inner(*arguments, **named)

        test.hypothesis.inner_test = counted
        return settings(
            max_examples=most,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )(test)

    return of_target


def asked(test) -> int:
    """Return how many cases a test is to run, 0 for one that is no target."""
    return getattr(test, "fuzz", {}).get("asked", 0)


def cases_run(test) -> int:
    """Return how many cases a target has run."""
    return test.fuzz["run"]


@contextlib.contextmanager
def in_time():
    """Fail a block that computes too long, and end the process with a traceback when it hangs.

    Code in C cannot be interrupted otherwise.
    """
    faulthandler.dump_traceback_later(_HANGS, exit=True)
    start = time.process_time()
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert time.process_time() - start < _MOST_SECONDS


@contextlib.contextmanager
def in_memory(gibibytes: int = 4):
    """Reject a case that asks for more memory than this on top of what is held: sizes are the owner's to choose."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (gibibytes << 30), hard))
    try:
        yield
    except MemoryError:
        reject()
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        reject()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def refused_or(call, name):
    """Return what `call` returns, or None when it says in a TglError with `name` in it why it will not.

    Any other exception fails the case, and so does one that takes too long.
    """
    with in_time():
        try:
            return call()
        except TglError as error:
            message = str(error)
    assert str(name) in message
    message.encode()  # a log must be able to hold it
    return None


# Characters that text may hold, halves of surrogate pairs too: JSON can write them, UTF-8 cannot.
odd_texts = st.sampled_from(
    [
        "",
        "\ud800",
        "a\udfff",
        "\u202e\u0000",
        "9" * 5000,
        "_X_",
        "<extra_id_0>",
        "<extra_id_0>" + " " * 300,
        "x" * 4000,
    ]
)
texts = st.text(st.characters(), max_size=12) | odd_texts
odd_numbers = st.sampled_from(
    [2**31, 2**63, -(2**63) - 1, 2**64, 10**400, 10**4299, 1e308, -0.0, float("inf"), True]
)
numbers = st.integers() | st.floats() | odd_numbers
scalars = st.none() | st.booleans() | numbers | texts


def _nested(depth: int):
    value = []
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value


json_values = st.one_of(
    odd_texts,
    odd_numbers,
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=8,
    ),
    st.integers(1, 400).map(_nested),
)
# What stands in no value that Python writes as JSON.
_PIECES = [
    "[" * 3000,
    '{"a":' * 3000,
    "[" * 3000 + "]" * 3000,
    "1" * 5000,
    "1e999",
    "NaN",
    '"\\ud800"',
    "\ufeff",
    "\n",
]


@st.composite
def changed(draw, record: dict, values=json_values):
    """Return a copy of a good record: values replaced, at any depth, keys left out or added."""
    found = {}
    for key, value in record.items():
        fate = draw(st.integers(0, 6))
        if fate == 0:
            continue
        if fate == 1 or (fate == 2 and not isinstance(value, dict | list)):
            found[key] = draw(values)
        elif fate <= 3 and isinstance(value, dict):
            found[key] = draw(changed(value, values))
        elif fate <= 3 and isinstance(value, list) and value:
            found[key] = [*value[1:], draw(values)]
        else:
            found[key] = value
    if draw(st.integers(0, 9)) == 0:
        found[draw(texts)] = draw(values)
    return found


@st.composite
def once_changed(draw, record, values=json_values):
    """Return a copy of a record with one value somewhere inside replaced or left out: most of it is still read."""
    found = inner = copy.deepcopy(record)
    while True:
        key = draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
        if isinstance(inner[key], dict | list) and inner[key] and draw(st.integers(0, 7)):
            inner = inner[key]
            continue
        if draw(st.booleans()):
            inner[key] = draw(values)
        else:
            del inner[key]
        return found


@st.composite
def damaged(draw, content: bytes):
    """Return bytes cut off, with some turned over, taken out, doubled or put in; often as they were."""
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 5]))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        kind = draw(st.sampled_from(["cut", "flip", "drop", "double", "insert"]))
        size = draw(st.integers(1, 40))
        if kind == "cut":
            content = content[:at]
        elif kind == "flip" and content:
            content = content[:at] + bytes([content[at] ^ 1 << draw(st.integers(0, 7))]) + content[at + 1 :]
        elif kind == "drop":
            content = content[:at] + content[at + size :]
        elif kind == "double":
            content = content[: at + size] + content[at:]
        else:
            content = content[:at] + draw(st.binary(max_size=size)) + content[at:]
    return content


@st.composite
def json_files(draw, records, suffixes=(".json", ".jsonl", ".json.xz")):
    """Return (suffix, bytes) of a file of records: a list, lines or one object, packed or not, maybe damaged."""
    found = draw(st.lists(records, max_size=4))
    layout = draw(st.sampled_from(["list", "lines", "one"]))
    ascii_only = draw(st.booleans())
    if layout == "list":
        text = _dumps(found, ascii_only)
    elif layout == "lines":
        text = "\n".join(_dumps(record, ascii_only) for record in found)
    else:
        text = _dumps(found[0] if found else {}, ascii_only)
    if draw(st.integers(0, 4)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(_PIECES)) + text[at:]
    content = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        content = draw(damaged(content))
    suffix = draw(st.sampled_from(suffixes))
    if suffix.endswith(".xz"):
        content = lzma.compress(content, preset=0)
        if draw(st.booleans()):
            content = draw(damaged(content))
    return suffix, content


# Numbers of which no machine has so many are left out: a model of that size is its owner's to have.
modest_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 400),
    st.floats(-2, 2),
    st.text(max_size=12),
    st.sampled_from([[], {}, [[]], "gpt2", "float16", float("nan")]),
)


@st.composite
def changed_files(draw, record, content: bytes):
    """Return the bytes of a JSON file of this content with one or several values changed, or bytes damaged."""
    kind = draw(st.sampled_from(["once", "once", "changed", "damaged"]))
    if kind == "damaged":
        return draw(damaged(content))
    if kind == "once":
        found = draw(once_changed(record, modest_values))
    else:  # of a list what stands in it
        found = draw(changed({"": record}, modest_values | odd_texts)).get("", [])
    return json.dumps(found).encode("utf-8", "surrogatepass")


def _dumps(value, ascii_only: bool) -> str:
    with contextlib.suppress(ValueError):  # a number of too many digits for json.dumps
        return json.dumps(value, ensure_ascii=ascii_only)
    return "[" + "1" * 5000 + "]"
