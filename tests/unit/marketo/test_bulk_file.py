"""The CSV of a bulk extract."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import ContractViolation
from include.marketo.bulk_file import read_people
from include.sandbox.marketo.bulk_jobs import delimited

FIELDS = ["id", "lastName"]


def people(*chunks: bytes, fields: list[str] | None = None, page: int = 5_000) -> list[dict[str, str | None]]:
    """Return everybody in a file."""
    return [one for page_ in read_people(chunks, fields or FIELDS, page=page) for one in page_]


def test_null_and_nothing_are_nothing_and_lookalikes_are_texts() -> None:
    """The bare word null is no value; Null, NaN, None and NA are names."""
    rows = people(b"id,lastName\n1,null\n2,\n3,Null\n4,NaN\n5,None\n6,NA\n")

    assert [one["lastName"] for one in rows] == [None, None, "Null", "NaN", "None", "NA"]


def test_nul_bytes_are_dropped() -> None:
    """A NUL byte inside a cell disappears, the cell stays."""
    assert people(b"id,lastName\n1,By\x00ron\n") == [{"id": "1", "lastName": "Byron"}]


def test_columns_are_found_by_name() -> None:
    """Order and further columns of the file do not matter, nor does a byte order mark."""
    assert people("\ufefflastName,x,id\nByron,y,1\n".encode()) == [{"id": "1", "lastName": "Byron"}]


def test_pages_are_bounded() -> None:
    """No page holds more people than asked for (S-42)."""
    content = b"id,lastName\n" + b"".join(b"%d,x\n" % number for number in range(10))

    assert [len(page) for page in read_people([content], FIELDS, page=4)] == [4, 4, 2]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"id\n1\n", "lacks lastName"),
        (b"", "lacks id"),
        (b"id,lastName\n1,Byron\n2", "line 3 has 1 cells"),
        (b'id,lastName\n1,"Byr', "unreadable near line"),
        (b"id,lastName\n1,\xff\xfe\n", "unreadable near line"),
    ],
)
def test_a_broken_file_is_refused_without_quoting_it(content: bytes, complaint: str) -> None:
    """A cut or garbled file is an error that says where and tells no value."""
    with pytest.raises(ContractViolation, match=complaint) as refused:
        people(content)
    assert "Byr" not in str(refused.value)


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), max_size=6),
    st.integers(1, 9),
)
def test_whatever_was_written_is_read_however_it_is_cut(texts: list[str], size: int) -> None:
    """Any text survives the file, whatever the size of the chunks, unless it means nothing."""
    content = delimited([{"id": 1, "lastName": text} for text in texts], FIELDS, FIELDS, ",")
    chunks = [content[start : start + size] for start in range(0, len(content), size)]

    read = [one["lastName"] for one in people(*chunks)]

    assert read == [text if text not in {"", "null"} else None for text in texts]
