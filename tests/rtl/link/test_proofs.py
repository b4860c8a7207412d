# amaranth: UnusedElaboratable=no
"""The words that a link's bytes become, for all bytes and all pauses."""

import pytest

from bcsim.common.errors import BcsimError
from bcsim.rtl.formal.link import ImageWordsProof
from bcsim.rtl.formal.prove import prove

pytest.importorskip("pyosys", reason="proofs need Yosys (the hdl extra)")


@pytest.mark.parametrize("size", [1, 2])
def test_words_are_the_bytes_in_order_and_stay_until_they_are_taken(size):
    prove(ImageWordsProof(size=size), steps=2 * size + 4)


class Early(ImageWordsProof):
    """Claims that a word is whole a byte earlier."""

    def _whole(self, count):
        return count == self.words.size - 1


def test_a_wrong_claim_about_words_is_refuted():
    with pytest.raises(BcsimError, match=r"^Yosys failed: Called with -verify and proof did fail!$"):
        prove(Early(size=2), steps=8)
