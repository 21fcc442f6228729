"""Turn bytes of unknown encoding into text."""

import codecs

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE_BYTES = 64 * 1024
# Codec to decode with, codec that knows only common characters, first bytes of everyday ones (kana, hangul,
# frequent Chinese characters), and how many of the characters beyond ASCII must be such. Western text decoded
# as East Asian gives rare characters instead.
_EAST_ASIAN = (
    ("cp932", "cp932", {0x82, 0x83, *range(0x88, 0x98)}, 0.8),
    ("euc_jp", "euc_jp", {0xA4, 0xA5}, 0.3),
    ("euc_kr", "euc_kr", {*range(0xB0, 0xC9)}, 0.85),
    ("gb18030", "gb2312", {*range(0xB0, 0xD8)}, 0.6),
    ("big5", "big5", {*range(0xA4, 0xC7)}, 0.6),
)


def detect(data: bytes) -> str:
    """Return the name of the codec that most likely made these bytes; `latin-1` as the last resort.

    Sure for Unicode and ASCII; a good guess for the older encodings of Europe and East Asia.
    """
    sample = data[:_SAMPLE_BYTES]
    for mark, codec in _BOMS:
        if sample.startswith(mark):
            return codec
    return _utf16_without_mark(sample) or _utf8(data) or _east_asian(sample) or _european(sample)


def decode(data: bytes) -> str:
    """Decode with the detected codec; bytes that it does not know become U+FFFD."""
    return data.decode(detect(data), errors="replace")


def _utf16_without_mark(sample: bytes) -> str | None:
    pairs = len(sample) // 2
    if pairs < 2:
        return None
    zero_low, zero_high = sample[0::2].count(0), sample[1::2].count(0)
    if zero_high > 0.3 * pairs and zero_low < 0.05 * pairs:
        return "utf-16-le"
    if zero_low > 0.3 * pairs and zero_high < 0.05 * pairs:
        return "utf-16-be"
    return None


def _utf8(data: bytes) -> str | None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _east_asian(sample: bytes) -> str | None:
    for codec, common, first_bytes, min_share in _EAST_ASIAN:
        decoder = codecs.getincrementaldecoder(codec)()  # a sample may end within a character
        try:
            text = decoder.decode(sample)
        except UnicodeDecodeError:
            continue
        other = [character for character in text if character > "\x7f"]
        everyday = sum(_first_byte(character, common) in first_bytes for character in other)
        if other and everyday > min_share * len(other):
            return codec
    return None


def _first_byte(character: str, codec: str) -> int | None:
    encoded = character.encode(codec, "ignore")
    return encoded[0] if encoded else None


def _european(sample: bytes) -> str:
    letters = sum(byte >= 0xC0 or chr(byte).isalpha() for byte in sample)
    if sum(byte >= 0xC0 for byte in sample) > 0.6 * letters:  # hardly a Latin letter: Cyrillic
        return "cp1251"
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"
