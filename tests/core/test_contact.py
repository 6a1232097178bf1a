import pytest

from tests.config.config_problems import WIKIMEDIA, problems
from tgl.core.config_types import contact_problem
from tgl.core.errors import TglError
from tgl.snapshots.settings import WikimediaConfig
from tgl.snapshots.wikimedia.download import download_dump
from tgl.snapshots.wikimedia.fetch import new_client

GOOD = [
    "someone@example.org", "a@b.org", "Jane Doe <jane.doe@cs.uni.example>", "https://example.org/~jane",
    "http://lab.uni.edu/crawler?id=3", "project x; mail: x+dumps@uni.ac.uk", "you@uni.edu.cn",
]  # fmt: skip
BAD = {
    None: "required",
    "": "required",
    "  ": "required",
    "a@b.org\nX-Header: 1": "one line of ASCII",
    "a@b.org\r\n": "one line of ASCII",
    "a\0@b.org": "one line of ASCII",
    "a@b.org\x7f": "one line of ASCII",
    "größe@b.org": "one line of ASCII",
    "Jane Doe": "neither an e-mail address nor a URL",
    "jane@localhost": "neither",
    "@b.org": "neither",
    "jane@": "neither",
    "https://": "neither",
    "you@example.org": "a placeholder",
    "You@Example.com": "a placeholder",
    "your-email@uni.edu": "a placeholder",
    "your.name@example.org": "a placeholder",
    "<your e-mail> a@b.org": "a placeholder",
    "jane@your-domain.org": "a placeholder",
    "https://your-site.org/": "a placeholder",
    "a" * 300 + "@b.org": "at most 200",
}


@pytest.mark.parametrize("contact", GOOD)
def test_contact_that_can_be_written_to_is_taken(contact):
    assert contact_problem(contact) is None
    with new_client(contact) as client:
        assert contact in client.headers["User-Agent"]


@pytest.mark.parametrize("contact", BAD)
def test_contact_of_no_use_is_refused_before_anything_is_fetched(tmp_path, contact, monkeypatch):
    monkeypatch.setattr("httpx.Client.stream", lambda *arguments, **more: pytest.fail("asked a host"))
    with pytest.raises(TglError, match=f"^contact: .*{BAD[contact]}") as caught:
        download_dump(WikimediaConfig(contact=contact), "20220101", tmp_path, say=lambda text: None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("contact", BAD)
def test_check_refuses_a_contact_of_no_use(contact):
    lines = problems({"snapshots": WIKIMEDIA | {"wikimedia": {"contact": contact}}})
    assert [line for line in lines if "snapshots.wikimedia.contact" in line and BAD[contact] in line]
