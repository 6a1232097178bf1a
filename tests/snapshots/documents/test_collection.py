import json
import os
import subprocess

import datasets
import pytest

from tgl.core.errors import TglError
from tgl.snapshots.documents.collection import open_collection
from tgl.snapshots.documents.repository import commit_of, files_of
from tgl.snapshots.settings import DocumentsConfig

DATE = "20200101"


def opened(place=None, **settings):
    return open_collection(DocumentsConfig(**settings), DATE, None if place is None else str(place))


def ids(collection):
    return [document.identity for document in collection.documents]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "docs [1]"
    for name, text in {
        "b.md": "# B", "a.txt": "a", "sub/c.html": "<p>c</p>", "sub/d.py": "code", ".hidden/e.txt": "e", ".f.txt": "f",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def repository(folder):
    def git(*arguments, when="2019-06-01T12:00:00Z"):
        subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e@x.org", *arguments], cwd=folder, check=True,
            capture_output=True, env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when},
        )  # fmt: skip

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "one")
    git("tag", "v1")
    (folder / "a.txt").write_text("changed")
    git("commit", "-qam", "two", when="2020-01-01T23:00:00Z")
    (folder / "new.txt").write_text("new")
    git("add", "-A")
    git("commit", "-qm", "three", when="2020-01-02T00:30:00Z")
    return folder


def test_a_folder_of_text_has_a_document_for_each_file(folder):
    found = opened(folder)
    assert ids(found) == ["a.txt", "b.md", "sub/c.html"]
    assert [path.name for path in found.files] == ["a.txt", "b.md", "c.html"]
    assert found.counts == {"other_files": 1}
    assert ids(opened(folder, pattern="sub/*")) == ["sub/c.html"]


def test_a_folder_of_records_is_read_file_by_file(tmp_path):
    for name in ("2.jsonl", "1.jsonl"):
        (tmp_path / name).write_text(json.dumps({"id": name, "text": "t"}))
    assert ids(opened(tmp_path)) == ["1.jsonl", "2.jsonl"]


def test_folders_of_both_kinds_or_of_none_are_refused(folder, tmp_path):
    (folder / "r.jsonl").write_text("")
    with pytest.raises(TglError, match=r"files of text \(a\.txt, \.\.\.\) and files of records \(r\.jsonl"):
        opened(folder)
    with pytest.raises(
        TglError, match=r"found 5 files, 0 of them matching '\*\.rst', expected files ending in"
    ):
        opened(folder, pattern="*.rst")
    with pytest.raises(TglError, match=r"gone: no such file"):
        ids(opened(tmp_path / "gone"))
    with pytest.raises(TglError, match=r"no collection for 20200101"):
        opened()


def test_attributes_of_paths_change_no_text_and_hide_no_file(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/ä b.md").write_text("# A\n\nText.")
    (tmp_path / "README.md").write_text("Release $Format:%h$ of R.")
    (tmp_path / ".gitattributes").write_text("/docs export-ignore\nREADME.md export-subst\n")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *arguments], check=True)
    found = dict(files_of(str(tmp_path), "HEAD"))
    assert set(found) == {"docs/ä b.md", "README.md", ".gitattributes"}
    assert found["README.md"] == b"Release $Format:%h$ of R."


def test_a_commit_of_another_branch_counts_from_its_merge(tmp_path):
    def git(*arguments, day=1, month=1):
        time = f"2020-{month:02}-{day:02}T12:00:00Z"
        names = {"GIT_AUTHOR_DATE": time, "GIT_COMMITTER_DATE": time, "HOME": str(tmp_path)}
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        done = subprocess.run(command, check=True, env=os.environ | names, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(name, day):
        (tmp_path / name).write_text(name)
        git("add", "-A")
        git("commit", "-qm", name, day=day)
        return git("rev-parse", "HEAD")

    git("init", "-q", "-b", "main")
    commit("a.md", 1)
    git("checkout", "-q", "-b", "feature")
    commit("feature.md", 5)
    git("checkout", "-q", "main")
    main = commit("b.md", 4)
    git("merge", "-q", "--no-ff", "-m", "merge", "feature", month=2)
    assert commit_of(str(tmp_path), "20200110", None) == main
    assert commit_of(str(tmp_path), "20200301", None) == git("rev-parse", "HEAD")


def test_a_repository_is_read_at_a_revision_or_a_date(repository):
    at_tag = opened("v1", repository=str(repository))
    texts = {document.identity: document.text for document in at_tag.documents}
    # git holds hidden files like any other.
    assert texts == {"a.txt": "a", "b.md": "B", "sub/c.html": "c", ".hidden/e.txt": "e", ".f.txt": "f"}
    assert at_tag.counts == {"other_files": 1}
    by_date = opened(repository=str(repository))
    texts = {document.identity: document.text for document in by_date.documents}
    assert texts["a.txt"] == "changed"
    assert "new.txt" not in texts
    assert by_date.about["source"] == "git"
    assert len(by_date.about["commit"]) == 40
    assert ids(opened("HEAD", repository=str(repository), pattern="n*")) == ["new.txt"]


@pytest.mark.parametrize(
    ("place", "message"),
    [("v9", r"rev-parse .*v9\^\{commit\} failed"), ("--all", r"failed"), ("HEAD:a.txt", r"failed")],
)
def test_revisions_that_are_none_are_refused(repository, place, message):
    with pytest.raises(TglError, match=message):
        opened(place, repository=str(repository))


def test_repositories_that_are_none_or_too_young_are_refused(repository, tmp_path):
    with pytest.raises(TglError, match=r"'gone' is not a folder; expected a git repository"):
        opened(repository="gone")
    (tmp_path / "plain").mkdir()
    with pytest.raises(TglError, match=r"failed: .*not a git repository"):
        opened(repository=str(tmp_path / "plain"))
    with pytest.raises(TglError, match=r"no commit of .* is from 20180101 or earlier"):
        open_collection(DocumentsConfig(repository=str(repository)), "20180101", None)


def test_a_saved_dataset_is_read_row_by_row(tmp_path):
    datasets.Dataset.from_dict({"id": [3, 1], "text": ["c", "a"]}).save_to_disk(tmp_path / "saved")
    found = opened(tmp_path / "saved")
    assert ids(found) == ["3", "1"]
    assert [path.suffix for path in found.files] == [".arrow"]


def test_a_named_dataset_has_configurations_and_splits(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps({"id": split, "text": "t"}) + "\n")
    assert ids(opened(dataset=str(tmp_path))) == ["train"]
    found = opened(":test", dataset=str(tmp_path))
    assert ids(found) == ["test"]
    assert found.about == {"source": "dataset", "dataset": str(tmp_path), "configuration": ":test"}
    with pytest.raises(TglError, match=r"':nosplit' cannot be loaded"):
        opened(":nosplit", dataset=str(tmp_path))
    with pytest.raises(TglError, match=r"found 'a:b:c', expected \[CONFIGURATION\]"):
        opened("a:b:c", dataset=str(tmp_path))
