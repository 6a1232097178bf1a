import re

from tgl.report.page import accessible

PAGE = (
    "<h1>a</h1><p>b</p>\n<h2>What was found</h2><h2>Gate &amp; more</h2><h2>C</h2><h2>D</h2>"
    '<table><tr><th>x</th><th class="n">y</th></tr></table><thead></thead>'
    '<figure><svg width="5"><path/></svg>\n<figcaption>Norms of <b>"all"</b> &lt;units&gt;</figcaption></figure>'
)


def test_contents_come_before_the_first_section_and_lead_to_each():
    page = accessible(PAGE)
    assert page.index("<nav") < page.index("<h2")
    assert re.findall(r'href="#([^"]*)"', page) == ["what-was-found", "gate-more", "c", "d"]
    assert re.findall(r'<h2 id="([^"]*)"', page) == ["what-was-found", "gate-more", "c", "d"]


def test_a_short_page_has_no_contents():
    assert "<nav" not in accessible(PAGE.replace("<h2>D</h2>", ""))


def test_headers_say_that_they_head_columns():
    page = accessible(PAGE)
    assert '<th scope="col">x</th><th scope="col" class="n">y</th>' in page
    assert "<thead>" in page
    assert accessible(page).count("scope") == 2


def test_a_picture_is_described_by_its_caption():
    page = accessible(PAGE)
    assert (
        '<svg role="img" aria-label="Norms of &quot;all&quot; &lt;units&gt;" width="5"><path/></svg>' in page
    )
    assert "<figcaption>Norms of <b>" in page
