"""Pictures made for tests: small files that are slow to decode."""

from io import BytesIO

from PIL import Image


def many_scans(num_scans: int, side: int = 2000) -> bytes:
    """Returns a progressive JPEG whose last scan comes again and again."""
    stream = BytesIO()
    grey = Image.linear_gradient("L").resize((side, side))
    grey.save(stream, "JPEG", progressive=True, quality=5)
    content = stream.getvalue()
    last = content.rindex(b"\xff\xda")
    scan = content[last:-2]
    return content[:-2] + scan * num_scans + b"\xff\xd9"
