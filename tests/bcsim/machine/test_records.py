import re
from dataclasses import replace
from pathlib import Path

import pytest

from bcsim.machine import records
from bcsim.machine.parameters import MEDIUM
from bcsim.machine.record_parts import DrainFields, IssueFields, StreamFields, fields_of
from bcsim.machine.records import drain_fields, issue_fields, pack, record_bits, stream_fields, unpack

SMALL = (("low", 3), ("flag", 1), ("high", 20))


def test_fields_go_from_the_least_significant_bit_up():
    assert pack(SMALL, low=5, flag=1, high=3) == 5 | 1 << 3 | 3 << 4


@pytest.mark.parametrize("fields", [fields_of(IssueFields), fields_of(DrainFields), fields_of(StreamFields)])
def test_every_field_survives_at_its_largest_alone(fields):
    for name, width in fields:
        values = dict.fromkeys(dict(fields), 0) | {name: (1 << width) - 1}
        word = pack(fields, **values)
        assert word.bit_count() == width
        assert unpack(fields, word) == values


def test_widths_are_those_of_the_specification():
    assert [
        record_bits(f) for f in (fields_of(IssueFields), fields_of(DrainFields), fields_of(StreamFields))
    ] == [146, 78, 128]


@pytest.mark.parametrize("value", [-1, 8])
def test_a_value_that_does_not_fit_is_refused(value):
    message = f"Field low must be from 0 to 7, not {value}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pack(SMALL, low=value, flag=0, high=0)


def test_missing_and_unknown_fields_are_named():
    message = "Record needs each of its fields once; missing or unknown: depth, high"
    with pytest.raises(ValueError, match=f"^{message}$"):
        pack(SMALL, low=0, flag=0, depth=0)


def test_a_word_wider_than_the_record_is_refused():
    with pytest.raises(ValueError, match=r"^Record must be an unsigned integer of 24 bits, not 16777216$"):
        unpack(SMALL, 1 << 24)


def test_a_spatial_machine_has_more_fields_behind_the_others() -> None:
    records = (
        (issue_fields, fields_of(IssueFields), 416),
        (drain_fields, fields_of(DrainFields), 40),
        (stream_fields, fields_of(StreamFields), 20),
    )
    for fields, dense, more in records:
        assert fields(MEDIUM) == dense
        spatial = fields(replace(MEDIUM, spatial=True))
        assert spatial[: len(dense)] == dense
        assert record_bits(spatial) == record_bits(dense) + more


PAGE = " ".join((Path(__file__).parents[3] / "docs" / "machine.md").read_text(encoding="utf-8").split())
PARTS = (
    *(records.IssueFields, records.WeightFields, records.StreamedWalkFields),
    records.StripFields,
    *(records.PlaceFields, records.StripDrainFields),
    *(records.DrainFields, records.PositionFields, records.StreamedDrainFields),
    *(records.StreamFields, records.LoadFields, records.SlotFields, records.WeightStreamFields),
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_the_page_has_every_field_in_order_with_its_width(part: type) -> None:
    fields = [rf"`{name}`(-1)? \({bits}[,)]" for name, bits in records.fields_of(part)]
    assert re.search(".{0,40}?".join(fields), PAGE)


def test_the_page_has_every_field_of_the_walk() -> None:
    assert all(f"`{name}`" in PAGE for name, _ in records.fields_of(records.WalkFields))
