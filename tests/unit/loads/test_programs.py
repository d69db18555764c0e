"""Every program of the load tests can be started."""

import importlib

import pytest

from tests.tidy.tree import python_files

BY_LOCUST = {"loadtests.locustfile"}
"""Needs what locust sets up first."""
PROGRAMS = {
    ".".join(path.with_suffix("").parts[path.parts.index("loadtests") :])
    for path in python_files("loadtests")
    if path.name != "__init__.py"
} - BY_LOCUST


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_a_program_can_be_imported(name: str) -> None:
    importlib.import_module(name)
