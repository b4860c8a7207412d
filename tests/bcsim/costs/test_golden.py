"""Every count of the small network (`small.py`), worked out by hand; nothing here is computed by what it tests."""

from collections import Counter

from bcsim.costs.at_work import times_at_work
from bcsim.costs.counts import NetworkCounts, count_mapping
from bcsim.costs.float_counts import FLOAT32, INT8, Arithmetic, count_macs
from bcsim.costs.traffic import MemoryTraffic, layer_traffic, memory_traffic
from bcsim.costs.units import When
from tests.bcsim.costs.small import padded_mapping, small_mapping, streamed_mapping, strip_mapping

# 4 lanes are 2 pairs, the second of them late (4-bit digits); M = 4 elements, R = 2 requantisers, A = 16, F = 8.
# A remainder has 16 + 8 + 10 = 34 bits, a word of parameters 35; it doubles as one of 36.
#
# conv: 5 outputs fill 2 words of 4 lanes, so 8 are drained: 2 tiles, 8 / 2 = 4 rounds a position and window place.
#   6 channels are 2 chunks, 8 bits 2 digits: a pass is 2 planes * 4 taps * 2 chunks * 2 digits = 32 steps.
#   3 * 1 positions * 2 places in the pooling window * 2 tiles = 12 passes.
#   Kernel rows inside the image, for the output's rows 0, 1, 2: 1, 2, 2 of 2; columns 2 of 2 at both places.
# search: 3 outputs fill a word: 1 tile, 2 rounds. 5 channels are 2 chunks of 1 digit: 2 steps at 3 positions.
# scores: 3 outputs, drained by twos: 2 rounds, 1 tile. 3 channels are a chunk: 3 taps, 1 position.
TIMES = {
    "conv": {
        When.STEP: 12 * 32,
        When.READ: (1 + 2 + 2) * (2 + 2) * 2 * 2 * 2 * 2,  # tiles, planes, chunks, digits
        When.CHUNK: 12 * 16,
        When.WEIGHT: 12 * 16,
        When.PASS: 12,
        When.SUM: 12,
        When.ROUND: 3 * 2 * 4,
        When.BIT: 24 * 4,
        When.QUOTIENT: 24 * 4,
        When.THRESHOLD: 0,
        When.REMAINDER: 24 * 4,
        When.PARAMETER: 24 + 24,
    },
    "search": {
        When.STEP: 3 * 2,
        When.READ: 3 * 2,
        When.CHUNK: 3 * 2,
        When.WEIGHT: 3 * 2,
        When.PASS: 3,
        When.SUM: 3,
        When.ROUND: 3 * 2,
        When.BIT: 6 * 2,
        When.QUOTIENT: 0,
        When.THRESHOLD: 6 * 2,
        When.REMAINDER: 6,
        When.PARAMETER: 6 + 6 * 2,
    },
    "scores": {
        When.STEP: 3,
        When.READ: 3,
        When.CHUNK: 3,
        When.WEIGHT: 3,
        When.PASS: 1,
        When.SUM: 1,
        When.ROUND: 2,
        When.BIT: 2 * 16,
        When.QUOTIENT: 2 * 16,
        When.THRESHOLD: 0,
        When.REMAINDER: 2 * 16,
        When.PARAMETER: 2 + 2,
    },
}

STEP, READ, CHUNK, PASS = 384 + 6 + 3, 320 + 6 + 3, 192 + 6 + 3, 12 + 3 + 1
ROUND, BIT, QUOTIENT, THRESHOLD = 24 + 6 + 2, 96 + 12 + 32, 96 + 32, 12
REMAINDER, PARAMETER = 96 + 6 + 32, 24 + 24 + 18 + 2 + 2

# A sum of 2 terms of 5 bits is at most 62, of 6 bits, and the only operand of the tree: no adder there. Of 2 digits
# t is at most 62 * 17 = 1,054, of 11 bits; the digits before the last make at most 62. 4 / 2 rounds: 1 bit of number.
# Of 64 parameter words an address has 6 bits.
ACTIONS = {
    ("adders", "adder", 4): 4 * STEP,  # same and differ of 2 pairs
    ("adders", "adder", 5): 4 * STEP,  # the term sum of each element
    ("adders", "adder", 6): 4 * STEP,  # Horner
    ("adders", "adder", 16): 4 * CHUNK,  # accumulators
    ("adders", "adder", 1): ROUND,  # the round's number
    ("select", "bitwise", 5): 2 * 4 * 2 * STEP,  # a multiplexer and a complement: pairs, elements
    ("select", "bitwise", 16): STEP + 4 * CHUNK,  # padding of 4 lanes of 4 bits; doubling
    ("requantiser", "adder", 36): 2 * QUOTIENT,  # of the remainder, which doubles: the divisor's bits and three
    ("requantiser", "comparator", 28): 2 * THRESHOLD,  # of that without the fraction
    ("requantiser", "bitwise", 35): 2 * REMAINDER,  # distances
    ("requantiser", "bitwise", 16): 2 * (BIT + ROUND),  # pooling: kept bits and values
    # padding; tile; pooling; number; what a difference's sign means
    ("registers", "register", 1): 2 * STEP + PASS + 2 * 2 * BIT + ROUND + 2 * REMAINDER,
    ("registers", "register", 2): 4 * CHUNK,  # the late pair's weights, each element
    ("registers", "register", 4): (3 + 4 + 2) * STEP,  # flags: 1 + 2 cycles, elements; the padding's digit, twice
    ("registers", "register", 5): 4 * STEP,  # the other pair's term
    ("registers", "register", 6): 4 * STEP + 4 * STEP,  # term sums, partial totals
    ("registers", "register", 8): STEP,  # the late pair's digits
    ("registers", "register", 10): 2 * STEP,  # same and differ
    ("registers", "register", 11): 4 * STEP,  # chunk totals
    ("registers", "register", 16): (
        READ + CHUNK  # words of activations and of weights
        + 4 * CHUNK + 4 * PASS  # accumulators, shadows
        + 2 * THRESHOLD + 2 * BIT + 2 * ROUND + 2 * ROUND  # found bits, trial values, values, kept values
    ),
    ("registers", "register", 32): ROUND,  # 2 drained sums
    ("registers", "register", 36): 2 * REMAINDER + 2 * PARAMETER,  # a sum of offset and divisor, or that, and minimum
}  # fmt: skip


def actions_of(counts: NetworkCounts) -> Counter[tuple[str, str, int]]:
    total: Counter[tuple[str, str, int]] = Counter()
    for action in counts.actions:
        total[action.part, action.kind, action.bits] += action.count
    return total


def test_times_at_work() -> None:
    assert {nest.layer.name: times_at_work(nest) for nest in small_mapping().nests} == TIMES


def test_a_weight_word_is_read_once_for_a_strip() -> None:
    """5 positions in strips of 2, 2 and 1; 2 tiles of 2 planes, 4 taps, 2 chunks and 2 digits."""
    mapping = strip_mapping()
    conv, scores = map(times_at_work, mapping.nests)
    assert (conv[When.STEP], conv[When.CHUNK]) == (5 * 2 * 32, 5 * 2 * 16)
    assert (conv[When.WEIGHT], conv[When.PASS], conv[When.SUM]) == (3 * 2 * 16, 3 * 2, 5 * 2)
    assert (scores[When.WEIGHT], scores[When.CHUNK], scores[When.SUM]) == (5 * 2, 5 * 2, 1)
    assert (conv[When.ROUND], scores[When.ROUND]) == (5 * 4, 1)
    both = times_at_work(strip_mapping(drains=2).nests[0])
    assert (both[When.ROUND], both[When.PARAMETER], both[When.SUM]) == (3 * 4, 2 * 3 * 4, 5 * 2)
    traffic = layer_traffic(mapping.layers[0], mapping.machine)
    assert (traffic["weight"].words_read, traffic["weight"].bits_read) == (96, 96 * 16)
    sums = traffic["accumulator"]
    assert (sums.memories, sums.words, sums.word_bits) == (4, 4, 16)
    assert (sums.words_read, sums.words_written) == (160 * 4, 160 * 4)


def test_steps_inside_of_a_padded_image() -> None:
    """Windows of rows 0 to 3 see 2, 3, 3, 2 rows of the image; of columns 0 to 2, 2, 3, 2.

    Pooling takes rows 0, 1, then 2, 3, and columns 0, 1, then 1, 2. 8 channels are 2 chunks of 2 digits.
    """
    conv, scores = map(times_at_work, padded_mapping().nests)
    assert conv[When.READ] == (2 + 3 + 3 + 2) * (2 + 3 + 3 + 2) * 2 * 2
    assert conv[When.STEP] == 2 * 2 * 2 * 2 * 9 * 2 * 2
    assert scores[When.READ] == scores[When.STEP] == 4


def test_actions() -> None:
    assert actions_of(count_mapping(small_mapping())) == ACTIONS


def test_operations() -> None:
    counts = count_mapping(small_mapping())
    assert counts.operations == {
        "accumulate": 24 * 5 * 2 * 6 + 5 * 3 * 3 + 9 * 3,
        "multiply": 0,
        "lane_match": 24 * 5 * 2 * 6 * 2 + 5 * 3 * 3 + 9 * 3,
        "requantise": 5 * 6 + 3 * 3 + 3,
        "compare_subtract": 5 * 6 * 4 + 3 * 3 * 2 + 3 * 16,
    }
    assert [layer.name for layer in counts.layers] == ["conv", "search", "scores"]


def test_traffic() -> None:
    """The image has 9 positions of 2 chunks of 2 digits. conv writes 4 rounds at 3 positions, search 2; of 8 bits."""
    drained = 3 * 4 + 3 * 2
    expected = {
        "activation": MemoryTraffic(256, 16, READ, 16 * READ, 36 + drained, 36 * 16 + drained * 8),
        "weight": MemoryTraffic(64, 16, CHUNK, 16 * CHUNK, 0, 0),
        "parameter": MemoryTraffic(128, 36, 2 * PARAMETER, 2 * 36 * PARAMETER, 0, 0, memories=2),
        "output": MemoryTraffic(4, 32, 3, 3 * 32, 2, 2 * 32),
    }
    assert count_mapping(small_mapping()).memory == memory_traffic(small_mapping()) == expected
    sizes = {name: traffic.size_bits for name, traffic in expected.items()}
    assert sizes == {"activation": 4096, "weight": 1024, "parameter": 9216, "output": 128}


def test_streams() -> None:
    """9 positions of 6 bytes, in words of 2; 3 scores and the class of 32 bits."""
    assert count_mapping(small_mapping()).stream_bits == 9 * 3 * 16 + 4 * 32


def test_unit_bits() -> None:
    bits = count_mapping(small_mapping()).bits
    assert bits["adder"] == 4 * (4 + 5 + 6) * STEP + 64 * CHUNK + ROUND + 72 * QUOTIENT
    assert bits["comparator"] == 56 * THRESHOLD
    assert set(bits) == {"adder", "comparator", "bitwise", "register"}


# Reference: 24 * 5 * 6 + 5 * 3 * 3 + 9 * 3 MACs, and a multiplication and an addition for each of 30 + 9 + 3 outputs.
MACS, OUTPUTS = 720 + 45 + 27, 42


def reference(arithmetic: Arithmetic) -> NetworkCounts:
    return count_macs(small_mapping(), arithmetic)


def test_float32_reference() -> None:
    assert actions_of(reference(FLOAT32)) == {
        ("multipliers", "float_multiplier", 32): MACS,
        ("adders", "float_adder", 32): MACS,
        ("registers", "register", 32): MACS,
        ("requantiser", "float_multiplier", 32): OUTPUTS,
        ("requantiser", "float_adder", 32): OUTPUTS,
    }


def test_int8_reference() -> None:
    assert actions_of(reference(INT8)) == {
        ("multipliers", "multiplier", 8): MACS,
        ("adders", "adder", 32): MACS,
        ("registers", "register", 32): MACS,
        ("requantiser", "multiplier", 32): OUTPUTS,
        ("requantiser", "adder", 32): OUTPUTS,
    }


def test_reference_operations() -> None:
    for arithmetic, name in ((FLOAT32, "float32"), (INT8, "int8")):
        assert arithmetic.name == name
        assert reference(arithmetic).operations == {"multiply": MACS + OUTPUTS, "mac": MACS}


def reference_traffic(bits: int) -> dict[str, MemoryTraffic]:
    """Values whole: conv reads 320 / (2 planes * 2 digits) words. 256 words of a digit are 128 values a lane.

    Written are 9 * 2 words of the image, 3 * 2 of conv, 3 * 1 of search. 32 rounds read 2 parameters of 2 values.
    """
    activations, weights, written = 80 + 6 + 3, 96 + 6 + 3, 18 + 6 + 3
    word, matrix, pair = 4 * bits, 16 * bits, 2 * bits
    return {
        "activation": MemoryTraffic(128, word, activations, activations * word, written, written * word),
        "weight": MemoryTraffic(64, matrix, weights, weights * matrix, 0, 0),
        "parameter": MemoryTraffic(64, pair, 2 * ROUND, 2 * ROUND * pair, 0, 0, memories=2),
        "output": MemoryTraffic(4, 32, 3, 96, 2, 64),
    }


def test_reference_traffic() -> None:
    assert reference(FLOAT32).memory == reference_traffic(32)
    assert reference(INT8).memory == reference_traffic(8)
    assert reference(INT8).stream_bits == 9 * 3 * 16 + 4 * 32


def test_streamed_weights() -> None:
    """hidden: 4 tiles of 3 planes, 12 words of 32 bits that come in 2 words of 2 bytes; the 2 words of scores stay.

    The references bring a weight for all its planes, 4 words of 8 * 4 weights.
    """
    mapping = streamed_mapping()
    counts, outside = count_mapping(mapping), 8 * 8 + 4 * 32
    assert counts.memory["weight"] == MemoryTraffic(8, 32, 12 + 2, 14 * 32, 12, 12 * 32)
    assert counts.stream_bits == outside + 12 * 2 * 16
    for arithmetic, bits in ((FLOAT32, 32), (INT8, 8)):
        other = count_macs(mapping, arithmetic)
        assert other.memory["weight"] == MemoryTraffic(8, 32 * bits, 4 + 2, 6 * 32 * bits, 4, 4 * 32 * bits)
        assert other.stream_bits == outside + 4 * 32 * bits


def test_activations_of_two_digits() -> None:
    """The image is a word of 2 digits; hidden drains 4 tiles of 2 rounds, 2 digits each, of 2 lanes; 2 words of values.

    Steps: 4 tiles * 3 planes * 2 digits, then 2 chunks * 2 digits.
    """
    mapping = streamed_mapping()
    drained = 4 * 2 * 2
    own = MemoryTraffic(256, 32, 24 + 4, 28 * 32, 2 + drained, 2 * 32 + drained * 2 * 4)
    assert count_mapping(mapping).memory["activation"] == own
    word = 8 * 8
    assert count_macs(mapping, INT8).memory["activation"] == MemoryTraffic(
        128, word, 6, 6 * word, 3, 3 * word
    )


def test_operations_of_more_digits_than_planes() -> None:
    """72 inputs, 4 outputs at 4 positions of 4 windows, 1 plane, 2 digits; 16 inputs, 2 outputs of 1 digit."""
    operations = count_mapping(padded_mapping()).operations
    assert operations["accumulate"] == 72 * 4 * 16 + 16 * 2
    assert operations["lane_match"] == 72 * 4 * 16 * 2 + 16 * 2
