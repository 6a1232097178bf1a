import random
import re
from itertools import islice, permutations

import pytest

from tgl.snapshots.world.build import COMPANIONS, DOMAINS
from tgl.snapshots.world.domain import NameMaker

RELATIONS = [
    pytest.param(domain, relation, id=f"{name}-{relation.id}")
    for name, domain in DOMAINS.items()
    for relation in domain.relations
]


@pytest.fixture(params=DOMAINS.values(), ids=DOMAINS)
def domain(request):
    return request.param


def words_of(wording: str) -> list[str]:
    return re.findall(r"[a-z]+", wording.format(S="", O=""))


@pytest.mark.parametrize(("domain", "relation"), RELATIONS)
def test_every_word_of_a_probe_occurs_in_the_text_but_the_wording_does_not(domain, relation):
    text = [wording for other in domain.relations for wording in other.wordings]
    known = {word for wording in text for word in words_of(wording)}
    assert [word for word in words_of(relation.probe) if word not in known] == []
    assert relation.probe not in text


@pytest.mark.parametrize(("domain", "relation"), RELATIONS)
def test_wordings_put_the_subject_first_and_the_object_last(domain, relation):
    for wording in (*relation.wordings, relation.probe):
        assert wording.startswith("{S} ")
        assert wording.endswith(" {O}.")
    assert len(set(relation.wordings)) == len(relation.wordings) == 5


def test_no_two_relations_share_an_id_a_subject_a_wording_or_a_probe(domain):
    assert len(domain.relations) == 8
    for of in (lambda relation: [relation.id], lambda relation: [*relation.wordings, relation.probe]):
        said = [what for relation in domain.relations for what in of(relation)]
        assert len(set(said)) == len(said)


def test_every_type_is_the_subject_of_one_relation_and_every_object_has_a_type(domain):
    assert sorted(relation.subject_type for relation in domain.relations) == sorted(domain.types)
    assert {relation.object_type for relation in domain.relations} <= set(domain.types)
    for kind in domain.types:
        assert domain.relation(kind).subject_type == kind


def test_shares_of_the_types_add_up_to_all_pages(domain):
    assert sum(form.share for form in domain.types.values()) == pytest.approx(1)


def test_every_companion_article_has_a_title_of_its_own(domain):
    assert len(set(domain.companions)) == len(domain.companions) == COMPANIONS


def test_name_maker_never_repeats_itself_even_in_a_full_world(domain):
    name = NameMaker(domain, "0", 200)
    names = [name(kind) for kind in domain.types for _ in range(250)]
    assert len(set(names)) == len(names)


def test_names_depend_on_the_seed_alone(domain):
    def names(seed):
        name = NameMaker(domain, seed, 300)
        return [name(kind) for kind in domain.types for _ in range(5)]

    random.seed(7)
    first = names("0")
    assert names("0") == first
    assert names("1") != first


def test_no_name_of_the_records_can_be_part_of_another():
    """Names are a capitalised stem and a part: none is within another if no part begins another."""
    types = DOMAINS["records"].types.values()
    assert {form.name for form in types} == {"{stem} {part}", "{stem}-{part}"}
    for one, other in permutations({part for form in types for part in form.parts}, 2):
        assert not one.startswith(other)


def test_domains_have_nothing_in_common():
    one, other = DOMAINS.values()
    assert not set(one.types) & set(other.types)
    assert not {relation.id for relation in one.relations} & {relation.id for relation in other.relations}
    said, told = (
        {wording for relation in domain.relations for wording in (*relation.wordings, relation.probe)}
        for domain in (one, other)
    )
    assert not said & told
    stems = []
    for domain in (one, other):
        name = NameMaker(domain, "0", 3000)
        made = (name(kind) for _ in range(100) for kind in domain.types)
        stems.append({word for text in islice(made, 800) for word in re.findall(r"[A-Z][a-z]+", text)})
    assert not stems[0] & stems[1]
