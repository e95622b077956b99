"""The rule for new passwords: refused are short ones, and those that are tried first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 256
MIN_DISTINCT_CHARACTERS = 4
MIN_OWN_CHARACTERS = 4
"""Characters that a password must have beside common words and names."""

_COMMON_WORDS = """
abc access account admin administrator alexander amanda america andrea andrew angel anthony apple arsenal asdf asdfgh
asdfghjkl ashley asterisk august autumn awesome azerty babygirl banana baseball basketball batman biteme blink boston
brandon buster butterfly callcenter camaro change changeme charlie cheese chelsea chicago chocolate christian claudia
company computer contrasena cookie corvette cowboy crystal daniel december default demo diamond dolphin dragon eagle
elephant eminem england enter extension extreme facebook february ferrari flower football forever freedom freepbx
freeswitch friday friend fuckme fuckyou gandalf gateway gemini george ginger google guest hallo handsome hannah happy
harley hello heslo hockey hottie hunter iceman iloveyou internet isabella jackson january jasmine jennifer jessica
jonathan jordan joseph joshua july june justin killer kennwort kodeord letmein liverpool london love lovely loveme
madison maggie manager manchester march marina marlboro martin master matrix matthew maverick maxwell melissa mercedes
merlin metallica michael michelle microsoft midnight monday monica monkey monster morgan motdepasse mother mustang
naruto newpass nicholas nicole nintendo ninja november october office operator orange parola passe passw passwd password
passwort patrick pbx peaches peanut pepper phoenix phone pokemon police porsche princess private public purple qazwsx
qazwsxedc qqww qwer qwert qwerty qwertyui qwertyuiop qwertz rabbit rachel rainbow ranger raspberry rebecca richard
robert rockyou root samantha samsung samuel sandra saturday schatz scooter secret secure security senha september server
service shadow silver single skywalker slayer slipknot snoopy soccer softball sommer spiderman spring starwars steelers
stephanie summer sunday sunshine superman superstar support sweet system telefon telephone temp temporary test tester
testing thomas thunder thursday tiffany tigers tinkerbell toor tottenham trustno tuesday tweety ubuntu unknown user
vanessa victoria voicemail voip wachtwoord warcraft webmaster wednesday welcome whatever william willkommen winner
winter wordpass xxxx yamaha yankees yellow zaq zaqwsx zxcv zxcvbn zxcvbnm
"""
_KEYBOARD_ROWS = ("1234567890", "qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm")
_KEYBOARD_COLUMNS = (
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6",
    "qawsedrftgyhujikolp",
    "qazwsxedcrfvtgb",
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_SEQUENCES = tuple(
    sequence for row in (*_KEYBOARD_ROWS, *_KEYBOARD_COLUMNS, _ALPHABET) for sequence in (row, row[::-1])
)
_WORDS = re.compile("|".join(sorted(_COMMON_WORDS.split(), key=len, reverse=True)))
_SUBSTITUTES = str.maketrans("013457@$!|€", "oieastasiie")
MIN_SEQUENCE_LENGTH = 3
MIN_NAME_LENGTH = 3


def find_password_weakness(password: str, names: Collection[str]) -> str | None:
    """Return why a password is weak; None if it is not.

    Rules of composition, such as a digit and a capital, are not among them: NIST SP 800-63B advises against these.
    `names`: what an attacker knows of the user and the account.
    """
    if len(password) > MAX_PASSWORD_LENGTH:
        return f"String must not be more than {MAX_PASSWORD_LENGTH} characters"
    plain = unicodedata.normalize("NFKC", password).casefold()
    if len(set(plain)) < MIN_DISTINCT_CHARACTERS:
        return f"Use at least {MIN_DISTINCT_CHARACTERS} different characters"
    # "P4ssw0rd2024!" is the word with what people add to it; "0123" is a sequence, and "oi2e" is not.
    rests = [_without_common_parts(text, names) for text in (plain, plain.translate(_SUBSTITUTES))]
    if min(map(len, rests)) < MIN_OWN_CHARACTERS:
        return "This password is among those that are tried first: a common word, a name or a row of keys"
    return None


def _without_common_parts(text: str, names: Collection[str]) -> str:
    """Remove names, common words, sequences, digits and punctuation at the end, and repetitions."""
    for part in sorted({part for name in names for part in _parts(name)}, key=len, reverse=True):
        text = text.replace(part, "")
    text = _repeated_part(_without_sequences(_WORDS.sub("", text)))
    return _repeated_part(re.sub(r"\d{0,4}[\W_]{0,4}$", "", text).strip())


def _repeated_part(text: str) -> str:
    """Return "ab" of "ababab" and of "aabb", and a text that repeats nothing as it is."""
    if text[::2] == text[1::2]:
        text = text[::2]
    repeated = re.fullmatch(r"(.+?)\1+", text)
    return repeated[1] if repeated else text


def _parts(name: str) -> list[str]:
    words = [name, *re.split(r"[\W_]+", name)]
    return [word.casefold() for word in words if len(word) >= MIN_NAME_LENGTH]


def _without_sequences(text: str) -> str:
    rest, start = [], 0
    while start < len(text):
        length = max(_sequence_length(text[start:], sequence) for sequence in _SEQUENCES)
        if length >= MIN_SEQUENCE_LENGTH:
            start += length
        else:
            rest.append(text[start])
            start += 1
    return "".join(rest)


def _sequence_length(text: str, sequence: str) -> int:
    """Return how many characters at the start of a text follow each other in a sequence."""
    first = sequence.find(text[0])
    if first < 0:
        return 0
    length = 0
    while text[length : length + 1] and text[length : length + 1] == sequence[first + length : first + length + 1]:
        length += 1
    return length
