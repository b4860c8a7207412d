# amaranth: UnusedElaboratable=no
"""Everything that a host sends arrives once and in order, and every result comes back, whatever the line does."""

import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from bcsim.host.frames import frame
from bcsim.host.session import Greeting, Session
from bcsim.rtl.link.layouts import Request, greeting
from bcsim.rtl.link.link import Link
from tests.rtl.simulation import simulate

GREETING = greeting(2, 0x12345678, 0x9ABCDEF0)
CYCLES = 60_000

TIMEOUT = 500
"""Bytes that pass in the time after which the host sends again: more than three frames and their answers have."""


class Line:
    """A line of bytes, one every `pace` cycles in either direction; call `cycle` once a clock."""

    def __init__(self, dut, pace):
        self.dut, self.pace = dut, pace
        self.outgoing, self.received = deque(), bytearray()
        self._time = 0

    def send(self, data):
        self.outgoing.extend(data)

    @property
    def idle(self):
        return not self.outgoing

    def cycle(self, ctx):
        dut, turn = self.dut, self._time % self.pace
        self._time += 1
        ctx.set(dut.receive, turn == 0 and bool(self.outgoing))
        ctx.set(dut.ready, turn == 1)
        if turn == 0 and self.outgoing:
            ctx.set(dut.received, self.outgoing.popleft())
        if turn == 1 and ctx.get(dut.transmit):
            self.received.append(ctx.get(dut.transmitted))


@dataclass
class Behind:
    """What stands behind the link: images are taken at random, and each of their words gives two words of result."""

    dut: Link
    random: random.Random
    pause: float
    images: list[bytes] = field(default_factory=lambda: [b""])
    results: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    restarts: int = 0
    waits: int = 0

    def take(self, ctx):
        """Sample a cycle, before the clock's edge."""
        images, results = self.dut.images, self.dut.results
        if ctx.get(images.tvalid) and ctx.get(images.tready):
            word = ctx.get(images.tdata)
            self.images[-1] += word.to_bytes(2, "little")
            if ctx.get(images.tlast):
                self.images.append(b"")
            self.results += [word, word ^ 0xFFFF]
        if ctx.get(results.tvalid):
            if ctx.get(results.tready):
                self.sent.append(self.results.pop(0))
            else:
                self.waits += 1
        if ctx.get(self.dut.restart):
            self.images, self.results, self.sent, self.restarts = [b""], [], [], self.restarts + 1

    def drive(self, ctx):
        """Offer and accept at random, a word for good once it is offered."""
        results = self.dut.results
        offered = bool(ctx.get(results.tvalid)) and bool(self.results) and not ctx.get(results.tready)
        ctx.set(self.dut.images.tready, self.random.random() >= self.pause)
        offer = bool(self.results) and (offered or self.random.random() >= self.pause)
        ctx.set(results.tvalid, offer)
        ctx.set(results.tdata, self.results[0] if offer else 0xDEAD)


class Noise:
    """Damages what passes: drops, changes and inserts bytes, each for every `rate` bytes."""

    def __init__(self, seed, rate):
        self.random, self.rate = random.Random(seed), rate
        self.damage = 0

    def __call__(self, data):
        out = bytearray()
        for byte in data:
            kind = self.random.randrange(3 * self.rate) if self.rate else 3
            self.damage += kind < 3
            if kind == 1:
                out.append(byte ^ 1 << self.random.randrange(8))
            elif kind == 2:
                out += self.random.randbytes(self.random.randrange(1, 40)) + bytes([byte])
            elif kind:
                out.append(byte)
        return bytes(out)


def exchange(images, *, pace=3, pause=0.0, noise=0, host_pause=0.0, seed=0, garbage=b""):
    """Send images through a link; returns the session, what stood behind the link, and the cycles that it took."""
    dut = Link(input_bytes=2, greeting=GREETING)
    session, behind = Session(timeout=TIMEOUT * pace), Behind(dut, random.Random(seed), pause)
    wanted, there, back = sum(map(len, images)), Noise(seed + 1, noise), Noise(seed + 2, noise)
    lazy, took = random.Random(seed + 3), []

    async def script(ctx):
        wire = Line(dut, pace)
        wire.send(garbage)
        heard = 0
        for now in range(CYCLES * pace):
            wire.cycle(ctx)
            behind.take(ctx)
            if lazy.random() >= host_pause:
                session.receive(back(bytes(wire.received[heard:])))
                heard = len(wire.received)
                if wire.idle:
                    wire.send(there(session.transmit(now, poll=len(session.words) < wanted)))
            await ctx.tick()
            behind.drive(ctx)
            if len(session.words) == wanted:
                took.append(now)
                return
        raise AssertionError(f"{len(session.words)} of {wanted} words came, {session.unsent} bytes unsent")

    for image in images:
        session.send(image, Request.LAST)
    simulate(dut, script)
    return session, behind, took[0], there.damage + back.damage


def check(images, session, behind):
    assert behind.images == [*images, b""]
    words = [
        int.from_bytes(image[at : at + 2], "little") for image in images for at in range(0, len(image), 2)
    ]
    assert list(session.words) == [word for each in words for word in (each, each ^ 0xFFFF)]
    assert behind.sent == list(session.words)


def some_images(seed, sizes):
    generator = random.Random(seed)
    return [generator.randbytes(size) for size in sizes]


@pytest.mark.parametrize("pace", [2, 5])
def test_images_arrive_and_results_come_back(pace):
    images = some_images(pace, (20, 2, 100))
    session, behind, _, _ = exchange(images, pace=pace)
    check(images, session, behind)
    assert session.resent == 0
    assert session.greeting == Greeting(2, 0x12345678, 0x9ABCDEF0, registers=False)


def test_flags_and_escapes_pass_as_data():
    images = [bytes([0x7E, 0x7D] * 20), bytes([0x7D] * 6), bytes([0x5E, 0x5D, 0x7E, 0x20])]
    session, behind, _, _ = exchange(images)
    check(images, session, behind)


def test_nothing_is_lost_where_what_is_behind_the_link_is_slow():
    images = some_images(1, (200, 64))
    session, behind, _, _ = exchange(images, pause=0.95, seed=5)
    check(images, session, behind)


def test_results_that_find_no_room_wait():
    images = some_images(3, (400, 400))
    session, behind, _, _ = exchange(images, pace=2)
    check(images, session, behind)
    assert behind.waits > 0


def test_nothing_is_lost_where_the_host_is_slow():
    images = some_images(2, (80, 90))
    session, behind, _, _ = exchange(images, host_pause=0.9995, seed=6)
    check(images, session, behind)


def test_nothing_is_lost_on_a_line_that_loses_changes_and_adds_bytes():
    seed, images = 1, some_images(1, (40, 2, 60))
    session, behind, _, damage = exchange(
        images, pace=2, noise=60, pause=0.5, seed=seed, garbage=b"\x7e\x02garbage\x7d"
    )
    check(images, session, behind)
    assert damage > 3
    assert session.resent > 0
    assert session.damaged > 0 or session.link_damaged


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_nothing_is_lost_on_many_bad_lines(seed):
    generator = random.Random(seed)
    images = some_images(seed, [2 * generator.randrange(1, 150) for _ in range(6)])
    rate = generator.choice([100, 200, 1000])
    noise = {"noise": rate, "pause": generator.random(), "host_pause": generator.choice([0, 0.99])}
    session, behind, _, _ = exchange(images, pace=generator.choice([2, 3, 17]), seed=seed, **noise)
    check(images, session, behind)


def play(*parts, cycles=400):
    """Send bytes and let the link answer; returns what it answered and the link's component."""
    dut = Link(input_bytes=2, greeting=GREETING)
    heard = []

    async def script(ctx):
        for part in parts:
            wire = Line(dut, 3)
            wire.send(part)
            for _ in range(cycles):
                wire.cycle(ctx)
                await ctx.tick()
            heard.append(bytes(wire.received))

    simulate(dut, script)
    return heard


def body(asks, begin, seen, until, payload=b""):
    return frame(bytes([asks, begin, seen, until]) + payload)


def test_a_link_says_nothing_that_it_was_not_asked():
    garbage = random.Random(9).randbytes(80)
    assert play(b"", garbage, body(0, 0, 0, 0)[:-2] + b"\x7e") == [b"", b"", b""]


def test_a_frame_of_the_wrong_place_or_size_is_answered_and_not_taken():
    elsewhere, full, right = play(
        body(0, 1, 0, 3, b"ab"),
        body(0, 0, 0, 0) + body(0, 0, 0, 255, bytes(200)),
        body(0, 0, 0, 2, b"ab"),
    )
    assert elsewhere == frame(bytes([0, 0, 0, 0]))
    assert full == frame(bytes([0, 0, 0, 0])), (
        "a payload that is shorter than its frame says is a damaged frame"
    )
    assert right[1:2] == b"\x02"


def test_a_payload_that_does_not_fit_is_not_taken():
    first, second = play(body(0, 0, 0, 200, bytes(200)), body(0, 200, 0, 144, bytes(200)), cycles=1200)
    # Behind the link nobody takes words: one of two bytes stands there.
    assert first == frame(bytes([200, 2, 0, 0]))
    assert second == frame(bytes([200, 2, 0, 0]))


def test_a_restart_forgets_what_came_and_greets():
    before, greeted, after = play(
        body(0, 0, 0, 9, b"123456789"), body(Request.RESTART, 7, 7, 7), body(0, 0, 0, 1, b"x")
    )
    assert before[1:2] == bytes([9])
    assert greeted == frame(bytes([0, 0, 1, 0]) + GREETING)
    assert after[1:2] == b"\x01"
