"""20,000 spoilt codes: no crash, no hang, nobody taken for another. ``make bench-full`` judges a
million with other seeds."""

from itertools import islice

from tests.support.mutants import Judge, Mutant, Spoiler, people
from tests.support.reader_world import ReaderWorld

COUNT = 20_000


def test_no_mutant_is_taken_for_another_person() -> None:
    world = ReaderWorld()
    texts = people(world)
    judge = Judge(world, texts)
    for mutant in islice(Spoiler(texts, seed=20261122).mutants(), COUNT):
        judge.judge(mutant)
    assert judge.fooled == []
    assert judge.repaired > COUNT // 20


def test_the_judge_is_fooled_where_it_should_be() -> None:
    world = ReaderWorld()
    texts = people(world)
    judge = Judge(world, texts)
    judge.judge(Mutant(texts[0], texts[1], "another's"))
    judge.judge(Mutant(texts[2], texts[2], "glued", is_hopeless=True))
    judge.judge(Mutant(texts[3], texts[3], "its own"))
    assert [mutant.kind for mutant in judge.fooled] == ["another's"] * 2 + ["glued"] * 2
    assert judge.accepted == 3
