"""What a subcommand is given, looked at before its work starts: tables, files, folders, models, places to write to."""

from __future__ import annotations

import os
from pathlib import Path

from tgl.core.errors import TglError
from tgl.core.files import check_file, check_output, check_output_folder
from tgl.core.json_text import read_json
from tgl.core.tables.read import check_table


class Checked:
    """The inputs and outputs of one subcommand. Each method checks some, raises TglError, and returns this object.

    A path that is None stands for an option that was not given. Outputs must differ from each other and from inputs.
    """

    def __init__(self) -> None:
        self._inputs: set[str] = set()
        self._folders: set[str] = set()  # those of models and tokenizers
        self._outputs: set[str] = set()

    def table(self, name: str, *paths: str | Path | None, rows: bool = True) -> Checked:
        """Check Parquet tables `name` by their columns and types; with `rows`, together they must hold one."""
        given = [path for path in paths if path is not None]
        if not sum([check_table(self._input(path), name) for path in given]) and given and rows:
            listed = ", ".join(map(str, given[:3]))
            raise TglError(
                f"{listed}: no row in the table '{name}'; expected at least one. Check what it was made from"
            )
        return self

    def file(self, what: str, *paths: str | Path | None) -> Checked:
        """Check that files are there and can be read; `what` says what is expected in them."""
        for path in paths:
            if path is not None:
                check_file(self._input(path), what)
        return self

    def folder(self, what: str, *paths: str | Path | None) -> Checked:
        """Check that folders are there and can be listed."""
        for path in paths:
            if path is None:
                continue
            self._input(path)
            if not os.path.isdir(path):
                found = "a file" if os.path.exists(path) else "no such folder"
                raise TglError(f"{path}: {found}; expected {what}")
            if not os.access(path, os.R_OK | os.X_OK):
                raise TglError(
                    f"{path}: permission denied; expected {what} that can be read. Change its permissions"
                )
        return self

    def model(self, *names: str | Path | None) -> Checked:
        """Check folders of models. A name that is no path is left to be looked up at Hugging Face."""
        for name in self._folders_of("a model", names):
            whole, adapter = Path(name) / "config.json", Path(name) / "adapter_config.json"
            read_json(adapter if adapter.exists() and not whole.exists() else whole)
        return self

    def tokenizer(self, *names: str | Path | None) -> Checked:
        """Check folders of tokenizers; names as in `model`."""
        self._folders_of("a tokenizer", names)
        return self

    def _folders_of(self, what: str, names: tuple[str | Path | None, ...]) -> list[str | Path]:
        paths = [name for name in names if name is not None]
        paths = [name for name in paths if os.path.lexists(name) or _looks_like_a_path(name)]
        self.folder(f"the folder of {what}, or its Hugging Face name", *paths)
        self._folders |= set(map(os.path.realpath, paths))
        return paths

    def output(self, *paths: str | Path | None) -> Checked:
        """Check that files can be written; call it after all inputs."""
        for path in paths:
            if path is None:
                continue
            check_output(path)
            place = os.path.realpath(path)
            if place in self._inputs:
                raise TglError(f"{path}: an input and the output; expected another file to write to")
            if place in self._outputs:
                raise TglError(f"{path}: two outputs have this name; expected different files")
            self._outputs.add(place)
        return self

    def output_folder(self, *paths: str | Path | None) -> Checked:
        """Check that files can be written into folders, which may not be there yet."""
        for path in paths:
            if path is not None:
                check_output_folder(path)
                self._outputs.add(os.path.realpath(path))
        return self

    def model_folder(self, *paths: str | Path | None) -> Checked:
        """Check folders that get a model or tokenizer, which must not replace one of the inputs; call it after them."""
        for path in paths:
            if path is not None and os.path.realpath(path) in self._folders:
                raise TglError(f"{path}: an input and the output; expected another folder to write to")
        return self.output_folder(*paths)

    def state_folder(self, path: str | Path) -> Checked:
        """Check the folder of a training's state, which is removed at the end; call it last.

        Neither an input nor another output may be that folder or lie in it.
        """
        place = os.path.realpath(path)
        for other in (*self._inputs, *self._outputs):
            if os.path.commonpath([place, other]) == place:
                raise TglError(
                    f"{path}: the folder of the state, which is removed at the end, holds '{other}'; expected "
                    "a folder of its own. Name another one"
                )
        return self.output_folder(path)

    def _input(self, path: str | Path) -> str | Path:
        self._inputs.add(os.path.realpath(path))
        return path


def _looks_like_a_path(name: str | Path) -> bool:
    """Tell whether a name can be no OWNER/NAME of Hugging Face's."""
    text = os.fspath(name)
    return text.startswith(("/", ".", "~")) or text.count("/") > 1 or text.endswith("/")
