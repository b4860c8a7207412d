"""Frames as bytes: what RFC 1662 says, and what comes through a line that damages."""

import random

import pytest

from bcsim.host.frames import Deframer, check_sequence, frame


def test_the_check_sequence_is_the_standards():
    assert check_sequence(b"123456789") == 0x906E  # CRC-16/IBM-SDLC in the catalogue of parametrised CRCs


def test_a_frame_is_the_body_its_check_and_two_flags():
    assert frame(b"123456789") == b"~123456789\x6e\x90~"
    assert frame(b"~}").startswith(b"~}^}]")


@pytest.mark.parametrize("seed", range(3))
def test_bodies_survive_however_the_line_cuts_them(seed):
    generator = random.Random(seed)
    bodies = [generator.randbytes(generator.randrange(1, 60)) for _ in range(20)]
    line, deframer, found = b"".join(map(frame, bodies)), Deframer(), []
    while line:
        count = generator.randrange(1, 50)
        found += deframer.feed(line[:count])
        line = line[count:]
    assert found == bodies
    assert deframer.damaged == 0


def test_a_damaged_frame_is_counted_and_the_next_one_found():
    deframer, line = Deframer(), bytearray(frame(b"abcdef") + frame(b"ghi"))
    line[3] ^= 4
    assert list(deframer.feed(bytes(line))) == [b"ghi"]
    assert deframer.damaged == 1


def test_an_escape_before_the_flag_and_a_short_frame_are_damage():
    deframer = Deframer()
    assert list(deframer.feed(frame(b"abc")[:-1] + b"}~" + b"\x01\x02~")) == []
    assert deframer.damaged == 2
