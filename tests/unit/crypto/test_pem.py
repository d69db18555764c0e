"""PEM blocks are read within bounds, whatever stands around them."""

import pytest

from crypto.errors import BadEncoding
from crypto.pem import BLOCKS_MAX, TEXT_MAX, read_blocks, write_block

ONE = write_block("A KEY", bytes(range(100)))


def test_blocks_are_read_in_order_with_text_around_them() -> None:
    two = write_block("OTHER", b"")
    found = read_blocks(f"who it is\n{ONE}between\r\n{two.replace(chr(10), chr(13) + chr(10))}end")
    assert found == [("A KEY", bytes(range(100))), ("OTHER", b"")]
    assert read_blocks("nothing") == []
    assert max(len(line) for line in ONE.splitlines()) == 64


@pytest.mark.parametrize(
    "text",
    [
        "x" * (TEXT_MAX + 1),
        ONE * (BLOCKS_MAX + 1),
        ONE.replace("END A KEY", "END B KEY"),
        ONE.replace("AAEC", "A!EC"),
        ONE.replace("AAEC", "AAE"),
        ONE.replace("AAEC", "AAéC"),
    ],
)
def test_what_is_no_whole_block_is_refused(text: str) -> None:
    with pytest.raises(BadEncoding):
        read_blocks(text)
