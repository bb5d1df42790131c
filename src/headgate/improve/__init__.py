"""Floor 8: what went wrong becomes what guards the next release: incidents, scenarios, reviews, feedback, proposals."""

from .feedback import Feedback, FeedbackAdded, add_feedback
from .incidents import (
    CloseIncident,
    IncidentList,
    IncidentQuery,
    IncidentShow,
    OpenFromTrace,
    close,
    list_incidents,
    open_from_trace,
    show,
)
from .proposals import CloseProposal, ProposalList, ProposalQuery, Pull, Pulled, close_proposal, list_proposals, pull
from .reviews import (
    DecideReview,
    Held,
    Review,
    ReviewList,
    ReviewQuery,
    ReviewShow,
    decide,
    list_reviews,
    open_held,
    show_review,
)
from .scenario import ScenarioOffered, ToScenario, to_scenario

__all__ = [
    "CloseIncident",
    "CloseProposal",
    "DecideReview",
    "Feedback",
    "FeedbackAdded",
    "Held",
    "IncidentList",
    "IncidentQuery",
    "IncidentShow",
    "OpenFromTrace",
    "ProposalList",
    "ProposalQuery",
    "Pull",
    "Pulled",
    "Review",
    "ReviewList",
    "ReviewQuery",
    "ReviewShow",
    "ScenarioOffered",
    "ToScenario",
    "add_feedback",
    "close",
    "close_proposal",
    "decide",
    "list_incidents",
    "list_proposals",
    "list_reviews",
    "open_from_trace",
    "open_held",
    "pull",
    "show",
    "show_review",
    "to_scenario",
]
