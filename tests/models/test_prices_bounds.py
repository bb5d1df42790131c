"""What bodies let a call use: cache writes for an hour, predictions, pictures, sound, files, and forms of answers."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.kernel import Usage
from headgate.models import Call, Price, ProviderError, Reach, bound, cost, dearest, lacking, reach_of
from headgate.models.prices import known_price
from headgate.models.wires import anthropic_messages, gemini_contents, openai_chat

PLAIN = Price.model_validate({"input": "$2", "output": "$8"})
FULL = Price.model_validate(
    {
        "input": "$2", "output": "$8", "cached": "$0.2", "written": "$2.5", "reasoning": "$9", "audio_input": "$32",
        "audio_output": "$64", "image_output": "$30", "request": "$0.012", "context": 300_000,
        "tiers": [{"above": 2_000, "input": "$4", "output": "$12", "written_1h": "$9", "audio_output": "$70"}],
    }
)  # fmt: skip
LINK = "https://example.com/a"


def wave(seconds: int, rate: int = 8_000, kind: int = 1) -> str:
    head = b"RIFF\0\0\0\0WAVEfmt " + (16).to_bytes(4, "little") + kind.to_bytes(2, "little") + b"\1\0"
    head += rate.to_bytes(4, "little") * 2 + b"\1\0\x08\0data" + bytes(4)
    return base64.b64encode(head + bytes(rate * seconds)).decode()


def part(kind: str, **inner: Any) -> dict[str, Any]:
    return {"type": kind, kind: inner}


def body(*parts: Any, **beside: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, *parts]}], **beside}


def usage(given: int, got: int, *, hour: int = 0, **counts: int) -> tuple[Usage, dict[str, Any]]:
    names = {"cached": "cached_tokens", "written": "cache_write_tokens", "heard": "audio_tokens"}
    ours = {"spoken": "audio_tokens", "drawn": "image_tokens", "thought": "reasoning_tokens",
            "rejected": "rejected_prediction_tokens"}  # fmt: skip
    return Usage(given, got), {
        "prompt_tokens_details": {names[key]: count for key, count in counts.items() if key in names},
        "completion_tokens_details": {ours[key]: count for key, count in counts.items() if key in ours},
        "cache_creation": {"ephemeral_1h_input_tokens": hour},
    }


@pytest.mark.parametrize(
    ("price", "used", "dollars_per_million"),
    [
        (PLAIN, usage(1_000, 0, written=600, hour=400), 400 * 4 + 600 * 2),
        (FULL, usage(1_000, 0, written=600, hour=400), 400 * 4 + 200 * 2.5 + 400 * 2),
        (FULL, usage(3_000, 0, written=3_000, hour=3_000), 3_000 * 9),
        (FULL, usage(1_000, 0, written=10, hour=9_999), 10 * 4 + 990 * 2),
        (FULL, usage(1_000, 0, heard=300, cached=900), 300 * 32 + 700 * 0.2),
        (FULL, usage(0, 1_000, spoken=600, thought=100), 600 * 64 + 100 * 9 + 300 * 8),
        (FULL, usage(0, 1_000, drawn=600, thought=9_999), 600 * 30 + 400 * 9),
        (PLAIN, usage(1_000, 1_000, heard=500, spoken=500, drawn=500), 1_000 * 2 + 1_000 * 8),
        (PLAIN, usage(0, 100, rejected=60), 100 * 8),
    ],
)
def test_what_a_provider_reports_is_booked_at_its_own_price(
    price: Price, used: tuple[Usage, Any], dollars_per_million: float
) -> None:
    fee = 12_000_000 if price is FULL else 0
    assert cost(price, *used) == round(dollars_per_million * 1_000) + fee


def test_a_call_that_was_refused_costs_no_fee() -> None:
    assert cost(FULL, Usage()) == 0


def test_an_hour_in_the_cache_is_bounded_when_it_is_asked_for() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    asked = body({"type": "text", "text": "x" * 5_000, "cache_control": mark}, max_tokens=1)
    used = usage(5_000, 1, written=5_000, hour=5_000)
    most = bound(PLAIN, asked)
    assert most is not None
    assert cost(PLAIN, *used) <= most
    mark["ttl"] = "5m"
    assert cost(PLAIN, *used) > (bound(PLAIN, asked) or 0) > cost(PLAIN, Usage(5_000, 1))
    assert reach_of({**body(), "cache_control": {"type": "ephemeral", "ttl": "1h"}}).hour
    assert not reach_of({"messages": [{"role": "user", "content": 'a "1h" walk'}]}).hour


def test_a_prediction_counts_as_output_beside_the_answer() -> None:
    words = {"type": "content", "content": "word " * 1_000}
    reach = reach_of(body(prediction=words, max_tokens=10))
    assert reach.got >= 10 + 5_000
    assert reach_of(body(prediction=words, max_tokens=10, n=3)).got == 3 * reach.got


@pytest.mark.parametrize(
    ("beside", "lacks"),
    [
        ([part("image_url", url=LINK + ".png")], ""),
        ([part("image_url", url="data:image/png;base64,aaaa")], ""),
        ([part("image_url", url="data:application/pdf;base64,aaaa")], "context"),
        ([part("image_url", url="https://www.YouTube.com/watch?v=1")], "context"),
        ([{"type": "image_url", "image_url": "https://youtu.be/1"}], "context"),
        ([{"type": "image_url", "image_url": None}], "context"),
        ([part("video_url", url=LINK + ".mp4")], "context"),
        ([part("file", file_data=LINK + ".pdf")], "context"),
        ([part("file", file_data="data:application/pdf;base64,aaaa")], "context"),
        ([part("file", file_data="data:text/plain;base64,aaaa")], ""),
        ([part("file", file_id="file-1")], "context"),
        ([part("input_audio", data=wave(1), format="wav")], "audio_input"),
        ([part("input_audio", data="SUQzaaaa", format="mp3")], "audio_input"),
        ([part("input_audio", data="T2dnaaaa", format="ogg")], "audio_input"),
        ([{"type": "strange"}], "context"),
        ([7], "context"),
        (["words", {"type": "refusal", "refusal": "no"}], ""),
    ],
)
def test_what_no_bytes_bound_needs_a_price_that_says_more(beside: list[Any], lacks: str) -> None:
    reach = reach_of(body(*beside))
    assert lacking(PLAIN, reach) == lacks
    assert (bound(PLAIN, body(*beside)) is None) is bool(lacks)
    assert lacking(FULL, reach) == ""
    assert lacking(Price(input=0, output=0), reach) == ""


def test_what_holds_as_much_as_it_likes_is_bounded_by_what_the_model_takes() -> None:
    film = body(part("video_url", url=LINK), max_tokens=10)
    assert (bound(FULL, film) or 0) >= cost(FULL, *usage(300_000, 10))
    assert reach_of(film).tokens(None) is None
    assert reach_of(film).tokens(300_000) == 300_010


@pytest.mark.parametrize(
    ("beside", "forms", "lacks"),
    [
        ({"modalities": ["text"]}, (), ""),
        ({"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, ("audio",), "audio_output"),
        ({"audio": {"voice": "a", "format": "wav"}}, ("audio",), "audio_output"),
        ({"modalities": ["image", "text"]}, ("image",), "image_output"),
        ({"modalities": ["video"]}, ("video",), "video"),
    ],
)
def test_an_answer_in_another_form_needs_its_price(beside: Any, forms: tuple[str, ...], lacks: str) -> None:
    reach = reach_of(body(**beside))
    assert (reach.forms, lacking(PLAIN, reach)) == (forms, lacks)
    assert lacking(FULL, reach) == ("video" if lacks == "video" else "")


def test_an_earlier_spoken_answer_is_as_long_as_it_was() -> None:
    said = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "audio": {"id": "audio_1"}}]}
    assert lacking(PLAIN, reach_of(said)) == "context"


@pytest.mark.parametrize(("rate", "kind", "whole"), [(8_000, 1, False), (1, 1, True), (8_000, 0x11, True)])
def test_sound_lasts_as_long_as_its_bytes_can(rate: int, kind: int, whole: bool) -> None:
    reach = reach_of(body(part("input_audio", data=wave(60, rate, kind), format="wav")))
    assert bool(reach.whole) is whole
    if not whole:
        assert 60 * 50 <= reach.heard <= 60 * 1_000
        assert reach.given < 2_000, "its bytes are no text"


def test_a_shorter_answer_reaches_less_far() -> None:
    reach = Reach(10, 300, 3)
    assert reach.shorter(20) == Reach(10, 240, 3)
    assert dearest(PLAIN, reach.shorter(20)) == dearest(PLAIN, reach) - 60 * 8_000


PARTS = st.sampled_from(
    [
        {"type": "text", "text": "héllo"},
        {"type": "text", "text": "x" * 3_000, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": "y", "cache_control": {"type": "ephemeral"}},
        part("image_url", url=LINK),
        part("image_url", url="data:image/png;base64," + "a" * 90_000),
        part("input_audio", data=wave(20), format="wav"),
        part("video_url", url=LINK),
        part("file", file_data=LINK + ".pdf"),
    ]
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.integers(1, 5_000),
        "n": st.integers(1, 4),
        "prediction": st.builds(lambda text: {"type": "content", "content": text}, st.text(max_size=300)),
        "modalities": st.sampled_from([["text"], ["text", "audio"], ["image"]]),
        "tools": st.just([{"type": "function", "function": {"name": "f"}}]),
        "reasoning_effort": st.just("high"),
    },
)
PRICES = st.sampled_from(
    [
        PLAIN,
        FULL,
        FULL.model_copy(update={"context": None}),
        FULL.model_copy(update={"audio_output": None, "tiers": ()}),
    ]
)


def legal(asked: dict[str, Any], share: st.DataObject) -> tuple[Usage, dict[str, Any]]:
    """What a provider may report: counted here by what each part can be at most, not by what we reserve for it."""
    text = heard = pictures = 0
    whole = False
    for one in asked["messages"][0]["content"]:
        match one["type"]:
            case "text":
                text += len(one["text"].encode())
            case "image_url":
                pictures += 48_169
            case "input_audio":
                heard += 20 * 32
            case _:
                whole = True
    template = 600 + (804 if "tools" in asked else 0)

    def upto(count: int) -> int:
        return share.draw(st.one_of(st.just(count), st.integers(0, count)))

    sound = upto(heard)
    plain = upto(300_000 - sound if whole else text + pictures + template)
    cached = upto(plain)
    written = upto(plain - cached)
    hourly = '"1h"' in str(asked).replace("'", '"')
    hour = upto(written) if hourly else 0
    predicted = len(asked["prediction"]["content"].encode()) if "prediction" in asked else 0
    got = upto((asked.get("max_tokens", 4096) + predicted) * asked.get("n", 1))
    forms = asked.get("modalities", [])
    spoken = upto(got) if "audio" in forms else 0
    drawn = upto(got - spoken) if "image" in forms else 0
    thought = upto(got - spoken - drawn)
    return usage(
        plain + sound, got, hour=hour, cached=cached, written=written, heard=sound, spoken=spoken, drawn=drawn,
        thought=thought, rejected=min(predicted, got),
    )  # fmt: skip


@settings(max_examples=300)
@given(st.lists(PARTS, max_size=4), SETTINGS, PRICES, st.data())
def test_nothing_that_a_provider_may_report_costs_more_than_the_bound(
    parts: list[Any], beside: dict[str, Any], price: Price, share: st.DataObject
) -> None:
    asked = {"messages": [{"role": "user", "content": parts}], **beside}
    most = bound(price, asked)
    used, reported = legal(asked, share)
    if most is not None:
        assert cost(price, used, reported) <= most
        tokens = reach_of(asked).tokens(price.context)
        assert tokens is not None
        assert used.input_tokens + used.output_tokens <= tokens


def test_the_public_list_says_what_bounds_a_call() -> None:
    claude = known_price("claude-sonnet-4-0", "https://api.anthropic.com")
    assert claude is not None
    assert (claude.written_1h, claude.context) == (2 * claude.input, 200_000)
    voice = known_price("gpt-audio", "https://api.openai.com/v1")
    assert voice is not None
    assert (voice.audio_input or 0) > voice.input
    assert (voice.audio_output or 0) > voice.output
    sonar = known_price("sonar-pro", "https://api.perplexity.ai")
    assert sonar is not None
    assert sonar.request == 14_000_000
    assert known_price("sonar-deep-research", "https://api.perplexity.ai") is None, "it also bills what it cites"
    longer = known_price("claude-sonnet-4-5", "https://api.anthropic.com")
    assert longer is not None
    assert longer.context is None, "it has a price above what the list says that it takes"


def test_wires_tell_what_was_heard_spoken_and_kept_for_an_hour() -> None:
    raw = {"input_tokens": 5, "output_tokens": 1, "cache_creation_input_tokens": 100,
           "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40}}  # fmt: skip
    found = anthropic_messages._usage(raw)
    assert cost(PLAIN, Usage(105, 1), found) == (65 * 2 + 40 * 4 + 8) * 1_000
    assert cost(FULL, Usage(105, 1), found) == 12_000_000 + (5 * 2 + 60 * 2.5 + 40 * 4 + 8) * 1_000
    told = {
        "promptTokenCount": 30, "candidatesTokenCount": 12,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 20}],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 10}, "odd", {"modality": "AUDIO"}],
    }  # fmt: skip
    found = gemini_contents._usage(told)
    assert found["prompt_tokens_details"]["audio_tokens"] == 20
    assert found["completion_tokens_details"]["image_tokens"] == 10
    assert cost(FULL, Usage(30, 12), found) == 12_000_000 + (10 * 2 + 20 * 32 + 2 * 8 + 10 * 30) * 1_000


@pytest.mark.parametrize(
    ("counts", "output"),
    [
        ({"completion_tokens": 50, "total_tokens": 60}, 50),
        ({"completion_tokens": 50, "total_tokens": 360, "completion_tokens_details": {"reasoning_tokens": 300}}, 350),
        ({"completion_tokens": 50}, 50),
        ({"completion_tokens": 50, "total_tokens": "60"}, 50),
        ({"completion_tokens": 50, "total_tokens": 5}, 50),
    ],
)
def test_what_only_the_total_counts_is_output(counts: dict[str, Any], output: int) -> None:
    call = Call("m", {"messages": []})
    assert openai_chat.usage_of({"prompt_tokens": 10, **counts}, call, "") == Usage(10, output)


@pytest.mark.parametrize(("edit", "sent"), [("compact_20260112", False), ("clear_thinking_20251015", True)])
def test_a_caller_cannot_have_a_conversation_compacted(edit: str, sent: bool) -> None:
    asked = Call("m", {**body(), "context_management": {"edits": [{"type": edit}]}})
    if sent:
        assert anthropic_messages.encode_request(asked)["context_management"] == asked.body["context_management"]
    else:
        with pytest.raises(ProviderError, match="compact"):
            anthropic_messages.encode_request(asked)
