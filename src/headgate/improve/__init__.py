"""Floor 8: what went wrong becomes what guards the next release: incidents, scenarios, reviews, feedback, proposals."""

from .code_folder import CodeFolder
from .feedback import Feedback, FeedbackAdded, FeedbackList, FeedbackQuery, add_feedback, list_feedback
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
from .questions import AskLabels, LabelsAsked, ask_labels
from .retrain import Retrain, retrain
from .retraining import (
    Retraining,
    RetrainingList,
    RetrainingQuery,
    RetrainingShow,
    list_retrainings,
    show_retraining,
)
from .reviews import (
    DecideReview,
    Held,
    Review,
    ReviewAnswer,
    ReviewList,
    ReviewQuery,
    ReviewShow,
    answer_of,
    decide,
    list_reviews,
    open_held,
    show_review,
)
from .scenario import ScenarioOffered, ToScenario, to_scenario
from .triggers import Trigger, TriggerList, TriggerQuery, list_triggers

__all__ = [
    "AskLabels", "CloseIncident", "CloseProposal", "CodeFolder", "DecideReview", "Feedback", "FeedbackAdded",
    "FeedbackList", "FeedbackQuery", "Held", "IncidentList", "IncidentQuery", "IncidentShow", "LabelsAsked",
    "OpenFromTrace", "ProposalList",
    "ProposalQuery", "Pull", "Pulled", "Retrain", "Retraining", "RetrainingList", "RetrainingQuery",
    "RetrainingShow", "Review", "ReviewAnswer", "ReviewList", "ReviewQuery", "ReviewShow", "ScenarioOffered",
    "ToScenario", "Trigger", "TriggerList", "TriggerQuery", "add_feedback", "answer_of", "ask_labels", "close",
    "close_proposal", "decide", "list_feedback", "list_incidents", "list_proposals", "list_retrainings", "list_reviews",
    "list_triggers", "open_from_trace", "open_held", "pull", "retrain", "show", "show_retraining", "show_review",
    "to_scenario",
]  # fmt: skip
