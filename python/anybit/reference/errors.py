"""The two ways in which the reference refuses."""


class NumericsError(ValueError):
    """A value breaks a rule of docs/numerics.md (a scale that is not positive, an accumulator beyond int32, ...)."""


class UnsupportedModel(ValueError):
    """The model uses an op, an attribute or a version that the reference does not implement."""
