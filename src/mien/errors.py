"""The errors mien raises on purpose; the command line turns each into one line and an exit code."""


class MienError(Exception):
    """Something the caller can mend; the message says what was given and what was expected.

    Example:
        >>> from mien import Classifier, MienError
        >>> try:
        ...     Classifier("no_such_folder")
        ... except MienError as error:
        ...     print(error.exit_code, error)
        4 no model 'no_such_folder'; expected ...
    """

    exit_code = 1


class UsageError(MienError, ValueError):
    """A setting, name or combination of arguments that mien does not know (exit code 2).

    Example:
        >>> from mien import Analyzer, UsageError
        >>> try:
        ...     Analyzer(detector="har")
        ... except UsageError as error:
        ...     print(error)
        no detector 'har'; did you mean 'haar'?
    """

    exit_code = 2


class BadInputError(MienError, ValueError):
    """A file or value that cannot be read as what it should be (exit code 3).

    Example:
        >>> from mien import Analyzer, BadInputError
        >>> try:
        ...     Analyzer()(b"no picture")
        ... except BadInputError as error:
        ...     print(error)
        picture: text, not a picture
    """

    exit_code = 3


class PassingError(BadInputError):
    """A file that cannot be read now, through no fault of its contents: tried again, it may be."""


class MissingError(MienError):
    """Something that is not there: a file, a model, an optional package (exit code 4).

    Example:
        >>> from mien import MissingError, read
        >>> try:
        ...     read("nothing.csv")
        ... except MissingError as error:
        ...     print(error)
        nothing.csv: no such file or folder
    """

    exit_code = 4


def missing_extra(package: str, extra: str | None) -> MissingError:
    """Returns the error for an optional package that is not installed, with the install line.

    Args:
        package: Its name.
        extra: The extra of mien that brings it; None for a package that none brings.
    """
    wanted = package if extra is None else f"'mien[{extra}]'"
    return MissingError(f"this needs the package {package!r}: pip install {wanted}")
