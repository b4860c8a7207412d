"""A serial line in Amaranth's simulator: bits by the clock, sent and sampled here without the link's own blocks."""

from collections import deque


class Line:
    """Bytes to `rx` and from `tx`, a bit every `divisor` cycles; call `cycle` once a clock."""

    def __init__(self, rx, tx, divisor):
        self.rx, self.tx, self.divisor = rx, tx, divisor
        self.outgoing, self.received = deque(), bytearray()
        self._bits, self._wait = deque(), 0
        self._sampled, self._next = None, 0

    def send(self, data):
        self.outgoing.extend(data)

    @property
    def idle(self):
        return not self.outgoing and not self._bits and not self._wait

    def cycle(self, ctx):
        self._drive(ctx)
        self._sample(ctx)

    def _drive(self, ctx):
        if self._wait:
            self._wait -= 1
            return
        if not self._bits and self.outgoing:
            byte = self.outgoing.popleft()
            self._bits.extend([0, *(byte >> n & 1 for n in range(8)), 1])
        if self._bits:
            ctx.set(self.rx, self._bits.popleft())
            self._wait = self.divisor - 1

    def _sample(self, ctx):
        level = ctx.get(self.tx)
        if self._sampled is None:
            if not level:
                self._sampled, self._next = [], self.divisor // 2
            return
        if self._next:
            self._next -= 1
            return
        self._sampled.append(level)
        self._next = self.divisor - 1
        if len(self._sampled) == 10:
            start, *bits, stop = self._sampled
            assert (start, stop) == (0, 1), "a start bit, eight bits, a stop bit"
            self.received.append(sum(bit << n for n, bit in enumerate(bits)))
            self._sampled = None
