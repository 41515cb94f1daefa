"""The three ways in which anybit refuses; `exit_code` is that of the command-line tool."""

from __future__ import annotations


class Error(Exception):
    """What anybit raises; the text is all messages, one sentence a line."""

    exit_code: int = 1


class InvalidInput(Error, ValueError):
    """A file or an argument is wrong: the text says which, and what to do."""

    exit_code = 2


class Unsupported(Error):
    """Legal, but anybit does not implement it, or this CPU or runtime version cannot run it."""

    exit_code = 3


class InternalError(Error, RuntimeError):
    """A mistake of anybit itself: please report it with its text."""

    exit_code = 1
