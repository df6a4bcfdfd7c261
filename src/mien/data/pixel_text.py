"""Rows of decimal pixels → uint8, many rows at once in numpy; whatever is odd is left to others."""

import numpy as np

_TEN, _HUNDRED, _ZERO, _SPACE = (np.uint8(n) for n in (10, 100, ord("0"), ord(" ")))


class PixelDecoder:
    """Turns text such as `70 80 255` into pixels; owns the arrays it works in.

    Allocating them for every block would cost as much as the decoding, in page faults.
    """

    def __init__(self, size: int) -> None:
        """Makes room for blocks of up to `size` bytes."""
        size += size % 2  # for the pairs
        self._arrays = np.empty((6, size), np.uint8)
        self._pairs = np.empty(size // 2, np.uint16)
        self._ends_pair = np.empty(size // 2, bool)
        self._of_pair = np.empty(size // 2, np.uint8)

    def decode(
        self, text: np.ndarray, spans: list[tuple[int, int]], num_pixels: int
    ) -> np.ndarray | None:
        """Returns the pixels of every span, uint8 `[rows, num_pixels]`.

        None unless every span is exactly `num_pixels` whole numbers from 0 to 255 without
        leading zeros, with single spaces between them: then the caller looks at every row.

        Args:
            text: uint8 `[length]`, ASCII.
            spans: Start and end of every row's pixels, ascending, with at least three bytes in
                front of the first and one behind the last.
            num_pixels: Numbers expected in every span.
        """
        digits, is_digit, is_end, allowed, hundreds, values = self._arrays[:, : len(text)]
        np.subtract(text, _ZERO, out=digits)  # anything but 0-9 wraps to 10 or more
        np.less(digits, _TEN, out=is_digit.view(bool))
        np.equal(text, _SPACE, out=allowed.view(bool))
        np.bitwise_or(allowed, is_digit, out=allowed)
        # A number ends where a digit is followed by something else.
        np.greater(is_digit[:-1], is_digit[1:], out=is_end[:-1].view(bool))
        is_end[-1] = 0
        after = 0
        for start, end in spans:  # the other columns do not count
            is_end[after:start] = 0
            allowed[after:start] = 1
            after = end
        is_end[after:] = 0
        allowed[after:] = 1
        # At a number's last digit, `values` is what it and the two bytes before it say.
        np.multiply(digits, is_digit, out=digits)
        np.multiply(digits[:-1], _TEN, out=values[1:])
        values[0] = 0
        np.add(values, digits, out=values)
        np.multiply(digits[:-2], is_digit[1:-1], out=hundreds[2:])
        hundreds[:2] = 0
        np.multiply(hundreds, is_end, out=hundreds)
        if not allowed.view(bool).all() or hundreds.max() > 2:
            return None
        np.multiply(hundreds, _HUNDRED, out=hundreds)
        np.add(values, hundreds, out=values)
        pairs, of_pair = self._pair_up(values, is_end)
        bounds = np.array(spans)
        if (
            len(pairs) != len(spans) * num_pixels
            or (2 * pairs[::num_pixels] + 1 < bounds[:, 0]).any()
            or (2 * pairs[num_pixels - 1 :: num_pixels] >= bounds[:, 1]).any()
        ):
            return None
        pixels = of_pair.take(pairs)
        # Zeros in front, a fourth digit, a second space make the text longer than these pixels
        # need; 256 to 299 have wrapped to 0 to 43 and need less than there is.
        if (bounds[:, 1] - bounds[:, 0]).sum() != _text_length(pixels) - len(spans):
            return None
        return pixels.reshape(len(spans), num_pixels)

    def _pair_up(self, values: np.ndarray, is_end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns which pairs of bytes hold a number's end, and every pair's value.

        Two ends are two bytes apart at least, so that a pair holds one at the most; looking for
        them among half as many places takes half the time.
        """
        size = len(values) // 2
        pairs, ends_pair, of_pair = self._pairs[:size], self._ends_pair[:size], self._of_pair[:size]
        np.multiply(values, is_end, out=values)
        both = values[: 2 * size].view(np.uint16)
        np.right_shift(both, 8, out=pairs)
        np.bitwise_or(pairs, both, out=pairs)
        np.copyto(of_pair, pairs, casting="unsafe")
        np.not_equal(is_end[: 2 * size].view(np.uint16), 0, out=ends_pair)
        return ends_pair.nonzero()[0], of_pair


def _text_length(pixels: np.ndarray) -> int:
    """Returns the bytes that the pixels take in decimal, each with one separator behind it."""
    longer = np.count_nonzero(pixels >= 10) + np.count_nonzero(pixels >= 100)
    return 2 * pixels.size + int(longer)
