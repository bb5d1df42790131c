"""Signal of a window of requests: the share of one route, or of the busiest when none is named."""

from collections import Counter

from pydantic import BaseModel, ConfigDict, Field

from headgate.measure.score import Look, Score, Scorer, ScorerPlugin, Subject, nothing


class Options(BaseModel):
    """The route."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    route: str | None = Field(default=None, description="a route of the app; unless given, the busiest one")


def _make(options: Options) -> Scorer:
    def look(subject: Subject) -> Score:
        if not subject.records:
            return nothing("route-mix", "request")
        counts = Counter(record.route for record in subject.records)
        route = options.route if options.route is not None else min(counts, key=lambda name: (-counts[name], name))
        share = counts[route] / len(subject.records)
        return Score(
            "route-mix", share, route, f"{counts[route]} of {len(subject.records)} requests took {route or 'no route'}"
        )

    return Look("route-mix", look)


plugin = ScorerPlugin(behaviour=1, options=Options, make=_make, example="default")
