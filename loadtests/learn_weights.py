"""Learns the weights that the index ships, from one invented population of each mix of errors.

    python -m loadtests.learn_weights

writes ``service/person/matching/model.json``. Its seeds are never measured.
"""

from datetime import date
from pathlib import Path

import msgspec

from loadtests.populations import MIXES, Population
from service.person.matching.learning import learn
from service.person.matching.traits import Line, traits_of

SEED, PEOPLE = 11, 16_000
TODAY = date(2026, 3, 1)
KEPT = Path(__file__).parents[1] / "service" / "person" / "matching" / "model.json"


def main() -> None:
    """Learn and write."""
    everybody = [
        traits_of(Line(**line), TODAY)
        for mix in MIXES.values()
        for line, _, _ in Population(SEED, PEOPLE, mix).lines()
    ]
    told = f"invented populations of seed {SEED}, {PEOPLE} people of each of {', '.join(MIXES)}"
    model = learn(everybody, version="learnt-1", told=told)
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n")
    print(f"{KEPT}: {model.version}, {told}")


if __name__ == "__main__":
    main()
