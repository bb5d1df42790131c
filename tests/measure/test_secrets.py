"""Secrets: named formats are found wherever they stand; words about passwords are not."""

from __future__ import annotations

import base64

import pytest

from headgate.measure import find_secrets, mask

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nabc\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key AKIAIOSFODNN7EXAMPLE!", "key <AWS_KEY>!"),
        ("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", "<GITHUB_TOKEN>"),
        ("sk-proj-Xi8tdMjHV6pmbBbwilTeT3BlbkFJ3UDnpdEwNNm6wVBpYM0o", "<OPENAI_KEY>"),
        ("xoxb-2444333222111-2444333222111-aBcDeFgHiJkL", "<SLACK_TOKEN>"),
        ("sk_live_ReTllpYQYfIZu2Jnf2lAPFjD", "<STRIPE_KEY>"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "<GOOGLE_KEY>"),
        (f"see\n{KEY}\nthere", "see\n<PRIVATE_KEY>\nthere"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAK", "<PRIVATE_KEY>"),
        ("https://me:hunter22@example.com/x", "https://me:<URL_PASSWORD>@example.com/x"),
        ("password=hunter2!x", "password=<PASSWORD>"),
        ("my password is Tr0ub4dor&3.", "my password is <PASSWORD>."),
        ('{"api_key": "9f8e7d6c5b4a"}', '{"api_key": "<PASSWORD>"}'),
        ("AK\u200bIAIOSFODNN7EX\u200bAMPLE", "<AWS_KEY>"),
    ],
)
def test_secrets_are_found_and_masked(text: str, expected: str) -> None:
    assert mask(text, find_secrets(text)) == expected


def test_an_encoded_secret_is_masked_with_its_encoding() -> None:
    encoded = base64.b64encode(b"the key is AKIAIOSFODNN7EXAMPLE").decode()
    assert mask(f"x {encoded} y", find_secrets(f"x {encoded} y")) == "x <AWS_KEY> y"


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset my password?",
        "the password is printed on the sticker under the router",
        "password: please see the handbook",
        "my token expired, is the secret safe?",
        "API key = $API_KEY",
        "password=${env:DB_PASSWORD}",
        "password: ********",
        "set `password=<your password>`",
        "sk-learn is a nickname",
        "http://localhost:8000/@me",
        "the AC is broken, SKU 12345",
        "eyJ is how a token begins",
    ],
)
def test_words_about_secrets_are_left_alone(text: str) -> None:
    assert find_secrets(text) == []


def test_the_library_s_named_detectors_can_be_added() -> None:
    pytest.importorskip("detect_secrets")
    text = 'softlayer_api_key = "' + "a1b2c3d4" * 8 + '"'
    assert find_secrets(text, detect_secrets=True)
