"""Floor 6: traces read, signals watched, breaches raised. Reads what `serve` recorded; never called by it."""

from .alerts import AlertList, AlertQuery, list_alerts
from .drift import DriftQuery, DriftShown, DriftSignal, catch_up, show_drift
from .incidents import Incident, OpenIncident, add_traces, get_incident, incident_of, open_incident
from .otlp import Sent, spans_of, translate
from .traces import TraceDetail, TraceList, TraceQuery, TraceShow, find_record, list_traces, show_trace
from .traffic import Traffic, TrafficGroup, TrafficPoint, TrafficQuery, TrafficSum, show_traffic
from .watch import Monitor, Watch, Window, compile_watch
from .watching import MonitorList, MonitorQuery, MonitorRun, MonitorState, list_monitors, run_monitors

__all__ = [
    "AlertList",
    "AlertQuery",
    "DriftQuery",
    "DriftShown",
    "DriftSignal",
    "Incident",
    "Monitor",
    "MonitorList",
    "MonitorQuery",
    "MonitorRun",
    "MonitorState",
    "OpenIncident",
    "Sent",
    "TraceDetail",
    "TraceList",
    "TraceQuery",
    "TraceShow",
    "Traffic",
    "TrafficGroup",
    "TrafficPoint",
    "TrafficQuery",
    "TrafficSum",
    "Watch",
    "Window",
    "add_traces",
    "catch_up",
    "compile_watch",
    "find_record",
    "get_incident",
    "incident_of",
    "list_alerts",
    "list_monitors",
    "list_traces",
    "open_incident",
    "run_monitors",
    "show_drift",
    "show_trace",
    "show_traffic",
    "spans_of",
    "translate",
]
