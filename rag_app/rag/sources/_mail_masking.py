"""Put marks in the place of e-mail addresses and telephone numbers.

Numbers are masked where they are written as telephone numbers are: with a country's code, with the zero of a
trunk call, in the American form, or after a word such as “Tel.”. Other long numbers (orders, invoices, IBANs,
dates, addresses of machines) are what people search for, so they stay.
"""

import re

EMAIL_MARK = "[e-mail address]"
PHONE_MARK = "[phone number]"

_EMAIL = re.compile(
    r"(?:mailto:)?(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{2,63}"
)
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
# Digits with the marks that people put between them: at most two, never a line's end.
_NUMBER = re.compile(r"(?<![\w.,/@#+-])(?:\+ ?|\()?\d(?:[ ().\-/\u00a0\u2010-\u2015]{0,3}\d){5,16}(?![\w@])")
_LABEL = re.compile(
    r"(?:\b(?:tel(?:ephone|efon|éfono|ef)?|phone|fon|fax|mobile?|mobil|handy|cell|call|ruf|whatsapp|sms|durchwahl|"
    r"t[ée]l[ée]phone|cellulare|m[óo]vil)\b|[☎📞📱])[\s.:()\w]{0,12}$",
    re.IGNORECASE,
)
_IDENTIFIER = re.compile(
    r"(?:\b(?:order|invoice|ticket|case|ref(?:erence)?|no|nr|num(?:ber)?|customer|account|iban|vat|tax|id|"
    r"serial|article|item|part|contract|policy|tracking|parcel|bestell\w*|auftrag\w*|rechnung\w*|kunden\w*|"
    r"artikel\w*|vertrag\w*|konto\w*|\w*nummer|isbn|ean|sku|po)\b|#)[\s.:#–-]{0,3}$",
    re.IGNORECASE,
)
_AMERICAN = re.compile(r"(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}")
_DATE = re.compile(r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[ T]\d{1,2}.*)?")
_MACHINE = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|\d+\.\d+")  # or a decimal number


def mask(text: str) -> str:
    """Mask what would tell how to reach a person."""
    text = _EMAIL.sub(EMAIL_MARK, text)
    kept = [found.span() for found in _IBAN.finditer(text) if _is_iban(found.group())]

    def replaced(found: re.Match[str]) -> str:
        if any(start < found.end() and found.start() < end for start, end in kept):
            return found.group()
        before = text[max(0, found.start() - 30) : found.start()].rpartition("\n")[2]
        return PHONE_MARK if _is_phone(found.group(), before) else found.group()

    return _NUMBER.sub(replaced, text)


def _is_phone(number: str, before: str) -> bool:
    digits = re.sub(r"\D", "", number)
    if not 6 <= len(digits) <= 16 or _DATE.fullmatch(number) or _MACHINE.fullmatch(number):
        return False
    if number.startswith("+"):
        return 8 <= len(digits) <= 15
    if _LABEL.search(before) or _IDENTIFIER.search(before):
        return bool(_LABEL.search(before))
    return _is_dialled(number, digits)


def _is_dialled(number: str, digits: str) -> bool:
    """Whether a number looks like one without anybody saying so."""
    if digits.startswith("00"):
        return 10 <= len(digits) <= 16 and digits[2] != "0"
    if _AMERICAN.fullmatch(number):
        return True
    # A trunk call: 030 1234567, (089) 12 34 56, 0171/2345678.
    is_trunk = number.lstrip("(").startswith("0") and digits[1:2] != "0"
    return is_trunk and 8 <= len(digits) <= 12 and (bool(re.search(r"\D", number)) or len(digits) >= 10)


def _is_iban(text: str) -> bool:
    """Whether its check digits are right (ISO 7064, mod 97-10)."""
    bare = text.replace(" ", "")
    moved = bare[4:] + bare[:4]
    return 15 <= len(bare) <= 34 and int("".join(str(int(each, 36)) for each in moved)) % 97 == 1
