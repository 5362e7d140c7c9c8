"""What an installed handgrad consists of: broken if a new package or data file stays behind in the checkout."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ("derive", "generated", "templates")


def _settings() -> dict:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"])


def test_every_package_is_listed() -> None:
    found = {
        p.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for s in SHIPPED
        for p in (ROOT / s).rglob("__init__.py")
    }
    assert found == set(_settings()["packages"])


def test_every_data_file_is_listed() -> None:
    listed = {
        path
        for package, patterns in _settings()["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package).glob(pattern)
    }
    files = {p for s in SHIPPED for p in (ROOT / s).rglob("*") if p.is_file() and p.suffix != ".pyc"}
    # Python's files are data too where they are no module of a package.
    data = {p for p in files if p.suffix != ".py" or not (p.parent / "__init__.py").is_file()}
    assert data == listed
