"""What each code of an error means to whoever calls the gateway, and what to do. Read by `generate.py`.

`tests/docs/test_error_codes.py` fails when the source uses a code that is missing here, or none that stands here.
"""

from __future__ import annotations

from collections.abc import Mapping

Row = tuple[str, str, str]
"""HTTP status, meaning, what to do."""

REQUEST: Mapping[str, Row] = {
    "invalid_json": ("400", "the body is no JSON object, or is nested too deep", "send the body of the wire addressed"),
    "invalid_request": ("400", "a field is missing or wrong", "the message names it"),
    "invalid_input": ("400", "what was sent cannot be accepted", "the message names the field and what was expected"),
    "input_missing": ("400", "`input` is missing or empty", "send text"),
    "model_missing": (
        "400",
        "`model` is missing, or several are served",
        "name an app: `GET /v1/models`",
    ),
    "model_ambiguous": ("400", "the app is served in several environments, the model in several versions", "name one"),
    "field_refused": (
        "400",
        "a field by which callers may not choose who answers, where or at what cost",
        "leave it out, or write it in the provider's `defaults`",
    ),
    "not_accepted": (
        "400",
        "a picture, sound or file, which no guard of the app can read",
        "send text, or let the policy `accept` it",
    ),
    "stateless": ("400", "the gateway keeps no conversations", "send the whole conversation"),
    "thread_unsupported_request": ("400", "the same, to Anthropic's clients, which then go on without", "nothing"),
    "unsupported": ("400", "what is asked for is not offered", "the message says what is"),
    "unsupported_tool": ("400", "a tool that a provider would run itself", "offer functions of your own"),
    "no_guards": ("400", "guards were asked of a provider's model, which has none", "name an app"),
    "content_filter": (
        "400",
        "the provider's own filter refused the prompt of a model called directly, or a guard a text to embed",
        "change the text; it is never asked elsewhere",
    ),
    "rows": ("400", "too many rows in one prediction", "send fewer"),
    "no_answer": ("400", "the model cannot do without a value that is missing", "send it"),
    "not_offered": ("400", "models are loaded by releases, not by requests", "promote or roll back"),
    "unauthenticated": ("401", "no key, or one that is not valid here", "send `Authorization: Bearer hg_…`"),
    "denied": ("403", "the key may not do this", "use a key with one of the roles that the hint names"),
    "not_found": (
        "404",
        "there is nothing at this path, or under this name",
        "the base URL; the hint says what is there",
    ),
    "model_not_found": ("404", "no environment serves this app, release or model", "the hint names the nearest"),
    "method_not_allowed": ("405", "the path is there, and takes another method", "see `allow`"),
    "conflict": ("409", "somebody else was first, or the state forbids it", "look again, then decide"),
    "body_too_large": ("413", "the body is larger than 10 MiB", "send less"),
    "encoding": ("415", "the body is compressed in a way that is not taken", "send it as it is"),
    "content_type": ("415", "the body is of another type than the path takes", "the message names those it takes"),
    "invalid_protobuf": ("400", "the body is no OTLP export", "check the exporter"),
    "host_not_allowed": ("421", "the server does not answer to this host name", "set `HEADGATE_ALLOWED_HOSTS`"),
}

LIMITS: Mapping[str, Row] = {
    "rate_limited": ("429", "a limit of requests is used up", "wait for `Retry-After`"),
    "tokens_exhausted": ("429", "a limit of tokens is used up, or smaller than the request", "wait, or ask for less"),
    "budget_exhausted": ("429", "a budget is used up, or smaller than the request", "`headgate budget list`; raise it"),
    "steps_exhausted": (
        "429",
        "a limit of steps of a loop is used up",
        "see what goes on by itself, then raise it",
    ),
    "loop_stopped": ("429", "the same call of a tool or the same question, again and again", "mend the loop; `loops`"),
    "budget_frozen": (
        "429",
        "a provider billed more than was reserved",
        "compare bill and price; it ends with the window",
    ),
    "budget_unbounded": (
        "429",
        "money or tokens are limited, and nothing bounds what the call can use",
        "add the key of `price` that the message names",
    ),
    "ledger_busy": ("503", "too many requests wait for the database of the budgets", "try again; look at the database"),
    "ledger_unavailable": ("503", "the database of the budgets does not answer", "look at the database"),
}

MODELS: Mapping[str, Row] = {
    "provider_rate_limit": (
        "429",
        "the provider says that it is asked too often, or its credit is used up",
        "lower `concurrent`, add a target, or raise the quota there",
    ),
    "provider_timeout": ("504", "it was silent for too long", "`first_token`, `idle`, `total`; its status page"),
    "provider_server": ("503", "it answered with an error of its own", "its status page; add a target"),
    "provider_connection": (
        "503",
        "it could not be reached, or its address is closed here",
        "`base_url`, the network, `HEADGATE_PRIVATE_HOSTS`",
    ),
    "provider_auth": ("503", "it did not accept the key, or there is none", "the variable that `key` names"),
    "provider_rejected": (
        "400",
        "it did not understand or does not take what was asked; the trace has its words",
        "the model's name, the fields sent, what its wire can carry",
    ),
    "provider_protocol": ("503", "its answer was none, or stopped before its end", "`quirks`; what stands between"),
    "provider_broken": ("503", "the plugin of the provider failed", "the server's log"),
    "breaker_open": ("503", "it failed too often and is not asked for a while", "wait; it is probed by itself"),
    "queue_full": (
        "503",
        "no place at any target, and the queue is full",
        "raise `concurrent` or `queue`",
    ),
    "queue_timeout": ("503", "no place at any target in time", "raise `concurrent` or `wait`, add a target"),
    "less_strict": ("503", "this server's `facts` are less strict than the release pins", "mend them, or release anew"),
    "no_target": ("503", "nobody of the chain could be asked", "the trace names why, target by target"),
    "model_failed": ("503", "a model that runs here failed on the rows", "send fewer rows to find the one"),
}

SERVER: Mapping[str, Row] = {
    "unavailable": ("503", "a part that is needed does not answer", "the message names it; `headgate doctor`"),
    "overloaded": ("503", "too many large batches wait", "try again"),
    "busy": ("503", "more was sent than can be stored just now", "send it again"),
    "stopping": ("503", "the server drains", "try again: another one answers"),
    "writer_lock": ("503", "another process writes the same SQLite file", "stop it, or use PostgreSQL"),
    "disk_full": ("503", "the disk is full", "make room"),
    "io_error": ("503", "the disk failed", "check it"),
    "blobs_refused": ("503", "the bucket of the blobs refused the call", "its keys and policy"),
    "needs_postgresql": ("-", "several workers on SQLite", "set `HEADGATE_DATABASE`, or serve with one"),
    "corrupt": ("500", "stored bytes are not what their digest says", "restore them"),
    "internal": ("500", "a mistake of Headgate's", "the log has it under the request's id"),
    "error": ("500", "anything else", "the log has it under the request's id"),
}

SECTIONS: Mapping[str, tuple[str, Mapping[str, Row]]] = {
    "The request": ("Trying again does not help.", REQUEST),
    "Limits and budgets": ("Nothing was asked of a model, and nothing was paid.", LIMITS),
    "Models and their providers": (
        "A client sees these only of a model called by its own name, of a stream that breaks off, and when no target "
        "had a place. Otherwise an app whose chain fails answers its `fallback`, with status 200 and the status `safe` "
        "in `headgate`. They stand in traces, and in `headgate_model_troubles_total`.",
        MODELS,
    ),
    "The server": ("Mostly for whoever runs it.", SERVER),
}
