"""Secrets by their named formats: keys and tokens that their makers gave a shape, private keys, passwords assigned.

Called by the `secrets` guard and scorer and by whatever stores text. No entropy is measured: a random-looking word is
not a secret, and calling it one would mask order numbers.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from headgate.kernel import plugins
from headgate.measure.signs import has_run
from headgate.measure.text import Form, forms

from .found import Found, over_forms

_B, _E = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_FORMATS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("AWS_KEY", ("AKIA", "ASIA", "ABIA", "ACCA", "A3T"), _B + r"(?:A3T[A-Z0-9]|A(?:BI|CC|KI|SI)A)[A-Z0-9]{16}" + _E),
    (
        "GITHUB_TOKEN",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        _B + r"(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_\w{22,255})" + _E,
    ),
    (
        "GITLAB_TOKEN",
        ("gl", "GR1348941"),
        r"(?<![\w-])(?:gl(?:pat|dt|ft|soat|rt|wt)-[\w-]{20,50}|GR1348941[\w-]{20,50}|glcbt-(?:[0-9a-fA-F]{2}_)?[\w-]{20,50}"
        r"|glimt-[\w-]{25}|glptt-[\w-]{40}|glagent-[\w-]{50,1024}|gloas-[\w-]{64})(?![\w-])",
    ),
    ("ANTHROPIC_KEY", ("sk-ant-",), _B + r"sk-ant-[\w-]{20,200}"),
    ("OPENAI_KEY", ("sk-",), _B + r"sk-(?!ant-)(?:(?:proj|svcacct|admin|None)-)?(?=[\w-]{0,200}\d)[\w-]{32,220}"),
    ("SLACK_TOKEN", ("xox", "xapp-"), _B + r"(?:xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250})"),
    ("SLACK_WEBHOOK", ("hooks.slack.com",), r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9]+/[A-Za-z0-9]+/\w+"),
    ("STRIPE_KEY", ("k_live_", "k_test_"), _B + r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,250}"),
    (
        "GOOGLE_KEY",
        ("AIza", "GOCSPX-", "ya29."),
        _B + r"(?:AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,400})(?![\w-])",
    ),
    ("AZURE_KEY", ("AccountKey=", "SharedAccessKey="), r"(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{42,86}={1,2}"),
    ("SENDGRID_KEY", ("SG.",), _B + r"SG\.[\w-]{22}\.[\w-]{39,50}(?![\w-])"),
    ("DISCORD_TOKEN", (".",), r"[MNO][A-Za-z\d_-]{23,25}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,38}"),
    ("TELEGRAM_TOKEN", (":A",), r"(?<![\w:])\d{8,10}:[A-Za-z0-9_-]{35}(?![\w-])"),
    ("TWILIO_KEY", ("AC", "SK"), _B + r"(?:AC|SK)[a-z0-9]{32}" + _E),
    ("MAILCHIMP_KEY", ("-us",), _B + r"[0-9a-z]{32}-us\d{1,2}" + _E),
    ("PYPI_TOKEN", ("pypi-",), r"pypi-Ag(?:EIcHlwaS5vcmc|ENdGVzdC5weXBpLm9yZw)[\w-]{70,}"),
    ("NPM_TOKEN", ("npm_",), _B + r"npm_[A-Za-z0-9]{36}" + _E),
    ("HUGGINGFACE_TOKEN", ("hf_",), _B + r"hf_[A-Za-z0-9]{34}" + _E),
    ("SQUARE_KEY", ("sq0",), _B + r"sq0(?:csp|atp|idp)-[\w-]{22,43}"),
    ("ARTIFACTORY_TOKEN", ("AKC", "AP"), r"""(?<![^\s=:"'])(?:AKC|AP[0-9A-F])(?=[a-z0-9])[A-Za-z0-9]{10,}"""),
    (
        "PRIVATE_KEY",
        ("PRIVATE KEY", "PuTTY-User-Key"),
        r"(?:-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d)"
        r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
)
_JWT = re.compile(r"(?<![\w-])(eyJ[\w-]{8,}+)\.(eyJ[\w-]{8,}+)(?:\.[\w-]*+)?(?![\w-])")
_URL_AUTH = re.compile(
    r"""(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}+://[^\s/:@'"<>]{0,100}:([^\s/:@'"<>]{1,200})@""", re.I
)
_ASSIGNED = re.compile(
    r"""(?:pass(?:word|wd|phrase|code|wort)|pwd|secret|api[ _-]?key|access[ _-]?key|auth[ _-]?key|account[ _-]?key"""
    r"""|token|kennwort|contraseña|mot de passe)\w{0,20}["'`]?\s{0,3}(?:=>|:=|=|:|\bis(?: now)?\b|\bist\b|\bwas\b)"""
    r"""\s{0,3}["'`]?([^\s"'`,;<>]{6,200})""",
    re.I,
)
_KEYWORDS = tuple(
    re.compile(words).search
    for words in (r"k(?:ey|ennwort|en(?<=token))", r"p(?:ass|wd)", r"c(?:ontrase|ret(?<=secret))")
)
"""What every name of a password holds one of; by first letter, because a search for one sign is the fastest."""
_PLACEHOLDER = re.compile(
    r"^[\W_]*$|^[$%{<\[(]|[})\]>]$|^(?:x+|\*+|\.+)$|example|placeholder|changeme|your[_-]|_here$|insert|redacted|process\.env"
    r"|os\.environ|getenv|https?:",
    re.I,
)
_DETECTORS = (
    "artifactory.ArtifactoryDetector", "aws.AWSKeyDetector", "azure_storage_key.AzureStorageKeyDetector",
    "cloudant.CloudantDetector", "discord.DiscordBotTokenDetector", "github_token.GitHubTokenDetector",
    "gitlab_token.GitLabTokenDetector", "ibm_cloud_iam.IbmCloudIamDetector", "ibm_cos_hmac.IbmCosHmacDetector",
    "jwt.JwtTokenDetector", "mailchimp.MailchimpDetector", "npm.NpmDetector", "openai.OpenAIDetector",
    "pypi_token.PypiTokenDetector", "sendgrid.SendGridDetector", "slack.SlackDetector", "softlayer.SoftlayerDetector",
    "square_oauth.SquareOAuthDetector", "stripe.StripeDetector", "telegram_token.TelegramBotTokenDetector",
    "twilio.TwilioKeyDetector",
)  # fmt: skip


def find_secrets(text: str, detect_secrets: bool = False) -> list[Found]:
    """Return secrets in a text, in order; disguised and encoded text is read as well.

    detect_secrets: also ask the named detectors of that library. Raises MissingExtra when it is not installed.
    """
    finder = _with_library if detect_secrets else _find
    return over_forms(forms(text, leet=False), finder)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, re.compile(pattern)) for name, _, pattern in _FORMATS)


_HINTS = tuple((hint, index) for index, (_, hints, _) in enumerate(_FORMATS) for hint in hints)
_SHORTER = frozenset({"SLACK_TOKEN", "SLACK_WEBHOOK", "ARTIFACTORY_TOKEN"})
_SHORTER_HINTS = tuple((hint, index) for hint, index in _HINTS if _FORMATS[index][0] in _SHORTER)
"""Every format but that of private keys has 20 signs in a row, these have 12: ordinary prose is spared all of them."""
_OPENAI_KEY = next(index for index, (name, *_) in enumerate(_FORMATS) if name == "OPENAI_KEY")
_DIGIT = re.compile(r"\d")
_REACH = len("sk-svcacct-") + 201
"""Where in an OpenAI key its first digit stands at the latest."""
_PRIVATE_KEY = next(index for index, (name, *_) in enumerate(_FORMATS) if name == "PRIVATE_KEY")


def _find(form: Form) -> Iterator[Found]:
    text = form.text
    hinted = set[int]()
    if form.long:
        hints = _HINTS if has_run(text, 20) else _SHORTER_HINTS
        hinted = {index for hint, index in hints if hint in text}
    if "PRIVATE KEY" in text:
        hinted.add(_PRIVATE_KEY)
    for index in sorted(hinted):
        name, pattern = _patterns()[index]
        for match in pattern.finditer(text) if index != _OPENAI_KEY else _openai_keys(text, pattern):
            yield Found(match.start(), match.end(), name)
    if "J" in text and "eyJ" in text:
        for match in _JWT.finditer(text):
            if _is_json(match[1]) and _is_json(match[2]):
                yield Found(match.start(), match.end(), "JWT")
    if "/" in form.odd and "://" in text:
        yield from _values(_URL_AUTH, text, "URL_PASSWORD", lambda value: not _PLACEHOLDER.search(value))
    lowered = text.lower()
    if any(search(lowered) for search in _KEYWORDS):
        yield from _values(_ASSIGNED, text, "PASSWORD", _plausible)


def _openai_keys(text: str, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """Yield what the pattern finds; where no digit is near, which it would look for at every `sk-`, it is not asked."""
    digit, at = -1, text.find("sk-")
    while at >= 0:
        if digit < at:
            found = _DIGIT.search(text, at)
            if found is None:
                return
            digit = found.start()
        match = pattern.match(text, at) if digit < at + _REACH else None
        if match is not None:
            yield match
        at = text.find("sk-", at + 1 if match is None else match.end())


def _values(pattern: re.Pattern[str], text: str, name: str, accept: Callable[[str], bool]) -> Iterator[Found]:
    for match in pattern.finditer(text):
        value = match[1].rstrip(".!?)")
        if value and accept(value):
            yield Found(match.start(1), match.start(1) + len(value), name)


def _plausible(value: str) -> bool:
    """Whether what follows `password is` can be one: no placeholder, and more than a plain word."""
    if len(value) < 6 or _PLACEHOLDER.search(value):
        return False
    letters = value.replace("-", "").replace("_", "").replace("/", "")
    if letters.isalpha():
        return any(before.islower() and after.isupper() for before, after in pairwise(letters))
    return any(sign.isdigit() for sign in value) or bool(re.search(r"\w[!@#$%^&*+?]\w", value))


def _is_json(part: str) -> bool:
    try:
        return isinstance(json.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_")), dict)
    except (binascii.Error, ValueError, RecursionError):
        return False


def _with_library(form: Form) -> Iterator[Found]:
    text = form.text
    yield from _find(form)
    for detector in _library():
        for line_start, line in _lines(text):
            for secret in detector.analyze_string(line):
                at = line.find(secret) if secret else -1
                if at >= 0:
                    yield Found(line_start + at, line_start + at + len(secret), "SECRET")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.splitlines(keepends=True):
        yield at, line[:4096]
        at += len(line)


@cache
def _library() -> tuple[Any, ...]:
    import importlib

    found = []
    for path in _DETECTORS:
        module, _, name = path.partition(".")
        try:
            found.append(getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)())
        except ModuleNotFoundError:
            raise plugins.missing("detect_secrets", "secrets with `detect_secrets: true`") from None
    return tuple(found)
