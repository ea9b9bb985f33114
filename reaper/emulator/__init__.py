"""The platform again, as a program: a local stand-in for its sessions API, for demos and tests."""

from reaper.emulator.emulator import PROJECT_PATH, Emulator
from reaper.emulator.faults import Fault, FaultError, Faults, parse_faults
from reaper.emulator.population import populate
from reaper.emulator.records import AgentVersion, Event, HostedAgent, PlatformError
from reaper.emulator.sessions import Platform
from reaper.emulator.transport import EmulatorTransport
from reaper.emulator.wire import Answer, Request

__all__ = [
    "PROJECT_PATH",
    "AgentVersion",
    "Answer",
    "Emulator",
    "EmulatorTransport",
    "Event",
    "Fault",
    "FaultError",
    "Faults",
    "HostedAgent",
    "Platform",
    "PlatformError",
    "Request",
    "parse_faults",
    "populate",
]
