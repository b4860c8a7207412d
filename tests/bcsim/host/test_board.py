"""Boards and folders that are not what they should be end in one sentence."""

import json

import numpy as np
import pytest

from bcsim.common.errors import BcsimError
from bcsim.host.board import Board, open_port
from bcsim.host.folder import design_mapping, read_board
from bcsim.host.frames import Deframer, frame
from bcsim.rtl.link.layouts import greeting


class Answering:
    """A port behind which every frame is answered with the same bodies."""

    in_waiting = 0

    def __init__(self, *bodies):
        self.bodies, self.pending, self.closed = bodies, b"", False
        self._deframer = Deframer()

    def write(self, data):
        for _ in self._deframer.feed(data):
            self.pending += b"".join(map(frame, self.bodies))

    def read(self, size):
        data, self.pending = self.pending, b""
        return data

    def close(self):
        self.closed = True


GREETED = bytes([0, 0, 1, 0]) + greeting(1, 0x11, 0x22)


def test_a_port_that_says_nothing_is_told():
    with pytest.raises(BcsimError, match=r"^Nothing answers on the port at 115200 baud"):
        Board(Answering(), baud=115200, timeout=0.001)


def test_a_board_of_another_protocol_is_told():
    other = bytes([0, 0, 1, 0, 9]) + greeting(1, 0, 0)[1:]
    with pytest.raises(BcsimError, match=r"^The board speaks version 9 of the link's protocol, bcsim 1$"):
        Board(Answering(other), baud=115200, timeout=0.001)


def test_a_board_with_another_machine_or_program_is_told():
    port = Answering(GREETED)
    with Board(port, baud=115200) as board:
        board.require(0x11, 0x22)
        with pytest.raises(BcsimError, match=r"^The board holds another machine \(fingerprint 00000011, not"):
            board.require(0x12, 0x22)
        with pytest.raises(BcsimError, match=r"^The board holds another program \(checksum 00000022, not"):
            board.require(0x11, 0x23)
        with pytest.raises(BcsimError, match=r"^This board's link does not reach the registers"):
            board.read(0)
    assert port.closed


def test_a_port_that_is_pulled_out_is_told():
    port = Answering(GREETED)
    with Board(port, baud=115200) as board:

        def lost(size):
            raise OSError("device reports readiness to read but returned no data")

        port.read = lost
        with pytest.raises(BcsimError, match=r"^The board's port was lost: device reports readiness"):
            board.infer(np.zeros((1, 4), np.uint8), 3)


def test_a_port_that_is_not_there_is_told(tmp_path):
    with pytest.raises(
        BcsimError, match=r"^Port .*nowhere cannot be opened at 9600 baud: No such file or dir"
    ):
        open_port(str(tmp_path / "nowhere"), 9600)
    (tmp_path / "notes.txt").write_text("no port")
    with pytest.raises(BcsimError, match=r"notes\.txt cannot be opened at 9600 baud: it is no serial port$"):
        open_port(str(tmp_path / "notes.txt"), 9600)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], r"must hold an object$"),
        ({"baud": "fast"}, r"baud must be a positive integer, not 'fast'$"),
        ({"program_with": "iceprog"}, r"json: program_with must be a list of strings, not 'iceprog'$"),
        ({"flash": "weights.bin"}, r"flash must be an object or null, not 'weights\.bin'$"),
        ({"flash": {}}, r"flash\.program_with must be a list of strings, not None$"),
    ],
)
def test_a_board_file_that_is_wrong_is_told(tmp_path, fields, message):
    (tmp_path / "board.json").write_text(json.dumps(fields))
    with pytest.raises(BcsimError, match=message):
        read_board(tmp_path)


def test_a_folder_without_its_files_is_told(tmp_path):
    with pytest.raises(BcsimError, match=r"has no board.json; give a folder of bcsim build$"):
        read_board(tmp_path)
    with pytest.raises(
        BcsimError, match=r"has no machine.json; give a folder of bcsim build or bcsim verilog$"
    ):
        design_mapping(tmp_path)
    (tmp_path / "machine.json").write_text('{"machine": {"wings": 2}}')
    with pytest.raises(BcsimError, match=r"does not describe a machine of this version of bcsim"):
        design_mapping(tmp_path)


class Counting(Board):
    """A board that answers a batch of 4 once it has it: the sums of its images and the places that they had."""

    def stream(self, packed, classes):
        assert len(packed) % 4 == 0
        for place, image in enumerate(packed):
            yield [int(image.sum()), place % 4]


def test_a_batch_that_is_not_whole_is_filled_with_images_whose_results_nobody_sees():
    with Counting(Answering(GREETED), baud=115200) as board:
        results = board.infer(np.arange(18, dtype=np.uint8).reshape(6, 3), 1, 4)
    assert results.scores.tolist() == [[3 + 9 * image] for image in range(6)]
    assert results.classes.tolist() == [0, 1, 2, 3, 0, 1]
