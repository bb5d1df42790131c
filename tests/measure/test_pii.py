"""Personal data: what is found, what is left alone, and where exactly."""

from __future__ import annotations

from itertools import pairwise

import pytest

from headgate.measure import find_pii, mask


def masked(text: str) -> str:
    return mask(text, find_pii(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to Jo.Sample+x@mail.example.co.uk, please", "write to <EMAIL>, please"),
        ("write to o'neil@post.example.", "write to <EMAIL>."),
        ("card 4111 1111 1111 1111 was billed", "card <CARD> was billed"),
        ("5555-5555-5555-4444", "<CARD>"),
        ("amex 378282246310005", "amex <CARD>"),
        ("3782 822463 10005", "<CARD>"),
        ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "<CARD>"),
        ("IBAN DE89 3704 0044 0532 0130 00 is mine", "IBAN <IBAN> is mine"),
        ("GB82WEST12345698765432.", "<IBAN>."),
        ("my ssn is 514-69-0360", "my ssn is <SSN>"),
        ("social security number 514690360", "social security number <SSN>"),
        ("from 86.121.97.248 yesterday", "from <IP> yesterday"),
        ("2a02:8070:88a:1::1 is my address", "<IP> is my address"),
        ("call +1 212 555 0147 now", "call <PHONE> now"),
        ("(212) 555-0147", "<PHONE>"),
        ("202-555-0163", "<PHONE>"),
        ("+46 (0)8 928 571 38", "<PHONE>"),
        ("my phone is 0490 75 40 81", "my phone is <PHONE>"),
        ("082 490 1693-Office", "<PHONE>-Office"),
        ("a@b.example and c@d.example", "<EMAIL> and <EMAIL>"),
        ("jo\u200bhn@exam\u200bple.com", "<EMAIL>"),
        ("john＠example．com", "<EMAIL>"),
        ("john%40example.com", "<EMAIL>"),
        ("４１１１ １１１１ １１１１ １１１１", "<CARD>"),
    ],
)
def test_personal_data_is_found_and_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "card 4111 1111 1111 1112",
        "order 12345678 of 2026-11-21",
        "serial 356938035643809",
        "DE00370400440532013000",
        "router at 192.168.0.1 or 127.0.0.1",
        "version 1.2.3.4.5",
        "000-12-3456",
        "the plan costs $1,200.50 and 300 Mbps",
        "on 21.11.2026 at 10:15",
        "from 2020-2024",
        "@northline is it 50@home",
        "invoice number 4671234567",
        "7 days, 24 hours, 365 days a year",
        "0000 0000 0000 0000",
    ],
)
def test_look_alikes_are_left_alone(text: str) -> None:
    assert find_pii(text) == []


def test_only_the_types_asked_for_are_looked_for() -> None:
    text = "a@b.example 4111111111111111"
    assert [part.type for part in find_pii(text, ["CARD"])] == ["CARD"]


def test_national_numbers_are_checked_when_named() -> None:
    assert find_pii("IdNr 36574261809") == []
    assert [part.type for part in find_pii("IdNr 36574261809", national=["de.idnr"])] == ["NATIONAL_ID"]
    assert find_pii("IdNr 36574261890", national=["de.idnr"]) == []


def test_overlapping_findings_become_one() -> None:
    text = "https://jo@4111111111111111.example.com"
    found = find_pii(text)
    assert all(before.end <= after.start for before, after in pairwise(found))
