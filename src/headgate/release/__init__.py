"""Floor 7: releases built from files, judged by gates, approved by people, promoted and rolled back."""

from .approvals import Approval, ApprovalList, ApprovalQuery, Approve, approve, authors, list_approvals
from .build import Build, Manifest, Pin, apps, build, one_app
from .check import Check, CheckResult, check
from .create import ReleaseCreate, create
from .diff import ArtifactChange, DiffResult, ReleaseDiff, diff, explain
from .environments import Environment, EnvironmentRules, Pending, find_environment, rules_of
from .exam import Eval, EvalResult, evaluate, parse_suites
from .gate import Gate, GateResult, gate
from .judging import Outcome, RuleResult
from .project import EnvironmentEntry, Project, ProjectFile, RetrainEntry, read_project
from .promote import Promote, PromoteResult, Rollback, promote, rollback
from .registry import (
    ReleaseList,
    ReleaseQuery,
    ReleaseRegister,
    ReleaseResult,
    ReleaseShow,
    ReleaseShown,
    list_releases,
    register,
    show,
)
from .rules import CostRule, ExactRule, LatencyRule, ModelRule, PairedRule, RateRule, Rule
from .ruling import (
    ApplyResult,
    EnvironmentApply,
    EnvironmentApprove,
    EnvironmentList,
    EnvironmentQuery,
    EnvironmentResult,
    EnvironmentSet,
    EnvironmentShown,
    apply,
    approve_rules,
    set_rules,
    show_environments,
)
from .shelf import Suites

__all__ = [
    "ApplyResult", "Approval", "ApprovalList", "ApprovalQuery", "Approve", "ArtifactChange", "Build", "Check",
    "CheckResult", "CostRule", "DiffResult", "Environment", "EnvironmentApply", "EnvironmentApprove",
    "EnvironmentEntry", "EnvironmentList", "EnvironmentQuery", "EnvironmentResult", "EnvironmentRules",
    "EnvironmentSet", "EnvironmentShown", "Eval", "EvalResult", "ExactRule", "Gate", "GateResult", "LatencyRule",
    "Manifest", "ModelRule", "Outcome", "PairedRule", "Pending", "Pin", "Project", "ProjectFile", "Promote",
    "PromoteResult", "RateRule", "ReleaseCreate", "ReleaseDiff", "ReleaseList", "ReleaseQuery", "ReleaseRegister",
    "ReleaseResult", "ReleaseShow", "ReleaseShown", "RetrainEntry", "Rollback", "Rule", "RuleResult", "Suites",
    "apply", "approve", "approve_rules", "apps", "authors", "build", "check", "create", "diff", "evaluate",
    "explain", "find_environment", "gate", "list_approvals", "list_releases", "one_app", "parse_suites", "promote",
    "read_project", "register", "rollback", "rules_of", "set_rules", "show", "show_environments",
]  # fmt: skip
