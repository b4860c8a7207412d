"""The one exception users meet."""

__all__ = ["BcsimError"]


class BcsimError(Exception):
    """Bad input, told in one sentence that names the node or field and what would be accepted.

    The command line prints the message without a traceback and exits with code 2.
    """
