"""Both SM2 backends run the same suite; the cipher vectors are read once."""

import json
from pathlib import Path
from typing import Any

import pytest

from crypto.sm2_backend import Sm2Backend, select_backend

VECTORS = Path(__file__).parents[2] / "vectors"


@pytest.fixture(scope="session", params=["libcrypto", "purepy"])
def backend(request: pytest.FixtureRequest) -> Sm2Backend:
    return select_backend(request.param, allow_software_signing=True)


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    return json.loads((VECTORS / "sm.json").read_text())
