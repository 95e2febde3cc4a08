"""A dataset's archive is unpacked whole or refused, with every Python from 3.11 on."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from arc_fabric.client import exports
from arc_fabric.errors import InvalidRequest


class _Answers:
    """A server's answer."""

    def __init__(self, *members: tuple[tarfile.TarInfo, bytes]) -> None:
        self._file = io.BytesIO()
        with tarfile.open(fileobj=self._file, mode="w:gz") as tar:
            for member, data in members:
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))

    def bytes(self, path: str, **_: str) -> bytes:
        return self._file.getvalue()


def _link(name: str, to: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, to
    return member


@pytest.fixture(params=["with PEP 706", "without"])
def any_python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a Python before 3.11.4, whose tarfile knows no filters."""
    if request.param == "without":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


@pytest.mark.usefixtures("any_python")
def test_a_dataset_is_unpacked(tmp_path: Path) -> None:
    """Its folder takes the name that was asked for."""
    server = _Answers((tarfile.TarInfo("made/meta/info.json"), b"{}"))
    folder = exports.export(server, "trees/one", tmp_path / "set")  # type: ignore[arg-type]
    assert (folder / "meta" / "info.json").read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.usefixtures("any_python")
@pytest.mark.parametrize(
    "member",
    [tarfile.TarInfo("../outside"), tarfile.TarInfo("/tmp/outside"), _link("made/link", "/etc/passwd")],
    ids=["above", "absolute", "link"],
)
def test_what_leaves_its_folder_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    """Nothing of such an archive is written."""
    server = _Answers((tarfile.TarInfo("made/fine"), b"fine"), (member, b""))
    with pytest.raises(InvalidRequest, match="no plain file"):
        exports.export(server, "trees/one", tmp_path / "set")  # type: ignore[arg-type]
    assert not (tmp_path / "set").exists()
    assert not (tmp_path / "outside").exists()
