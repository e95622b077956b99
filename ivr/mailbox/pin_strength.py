"""The rule for new PINs: which are too short, too long or too easy to guess. Phone, REST and commands use it."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from itertools import pairwise

MIN_PIN_LENGTH = 4
"""The shortest length that a setting may ask for."""
MAX_PIN_LENGTH = 30
"""The greatest length that a setting may permit."""

_YEARS = range(1900, 2030)
"""Years of birth and of the present are among the first PINs that are tried."""

_DIGIT_PATTERNS = """
1000 1001 1002 1003 1004 1007 1010 1020 1022 1100 1101 1110 1112 1113 1114 1115 1117 1118 1119 1120
1121 1123 1124 1125 1129 1133 1144 1155 1166 1177 1188 1199 1200 1201 1202 1203 1204 1205 1210 1211
1214 1215 1218 1220 1221 1222 1223 1224 1225 1230 1231 1233 1235 1236 1245 1248 1324 1331 1342 1357
1423 1432 1551 1661 1771 1881 1991 2002 2112 2211 2244 2323 2332 2345 2442 2468 2552 3003 3113 3210
3223 3344 3366 4114 4224 4411 4455 5005 5544 5566 5656 6006 6644 6655 6667 6789 7007 7667 7711 7766
7778 8008 8118 8228 8642 8877 8899 9009 9119 9753 9876 9898 9911 9988
"""  # Doubles, mirrored pairs, and digits with one change.
_KEYPAD_PATTERNS = """
0147 0258 0369 0741 0852 0963 0987 1346 1397 1456 1470 1478 14789 1590 1593 15963 1598 2580 25800
2589 3214 3570 3579 3690 3698 36987 4123 4147 4561 4569 4578 4587 5214 7410 7412 74123 7456 7530
7531 7890 7894 7895 78963 8520 8521 8523 8524 8529 9510 9512 9513 9630 9632 98741 98745
"""  # Rows, columns, corners and crosses of the keypad.
_WORDS_AND_DATES = """
0007 0070 0420 0911 1066 1492 1776 1812 2229 26435 4200 4283 5150 53787 5464 5683 568359 6453 6660
8675 9110
"""  # Words on the keypad, such as love and king, and numbers from films and history.
_SIX_DIGITS = """
000111 000123 098765 100000 100200 101112 102030 110110 111000 111222 111333 112211 112233 112358
120000 121314 123000 123321 123654 123698 123789 124578 131313 142536 145236 147258 147369 147852
147896 159357 159753 159951 200000 223344 246800 246810 258258 258456 258852 314159 321654 332211
357159 369258 369369 445566 456123 456852 546372 556677 567890 654123 666999 741852 741963 753159
753951 778899 789123 789456 852456 852963 951357 951753 963258 963741 963852 987123 998877 999000
"""  # PINs of six digits.
_COMMON_PINS = frozenset(f"{_DIGIT_PATTERNS} {_KEYPAD_PATTERNS} {_WORDS_AND_DATES} {_SIX_DIGITS}".split())


class PinWeakness(StrEnum):
    """Why a new PIN is rejected; the values are prompts of the table `pin`."""

    WRONG_LENGTH = "wrong-length"
    REPEATED_DIGIT = "one-digit"
    SEQUENCE = "a-run"
    BOX_NUMBER = "box-number"
    COMMON = "too-common"


def find_weakness(pin: str, box_numbers: Collection[str], lengths: range) -> PinWeakness | None:
    """Return why a PIN is weak; None if it is not.

    `box_numbers`: the number and the aliases of the mailbox. `lengths`: the permitted numbers of digits.
    """
    if not (pin.isascii() and pin.isdigit() and len(pin) in lengths):
        return PinWeakness.WRONG_LENGTH
    if len(set(pin)) == 1:
        return PinWeakness.REPEATED_DIGIT
    if {int(after) - int(before) for before, after in pairwise(pin)} in ({1}, {-1}):
        return PinWeakness.SEQUENCE
    if pin in box_numbers:
        return PinWeakness.BOX_NUMBER
    return PinWeakness.COMMON if _is_common(pin) else None


def _is_common(pin: str) -> bool:
    """Return whether a PIN is among those that are tried first: listed, a repeated group (1212), doubles, a year."""
    is_repeated = any(pin == pin[:size] * (len(pin) // size) for size in range(2, len(pin) // 2 + 1))
    is_doubles = len(pin) % 2 == 0 and pin[::2] == pin[1::2]
    is_year = len(pin) == 4 and int(pin) in _YEARS
    return is_repeated or is_doubles or is_year or pin in _COMMON_PINS
