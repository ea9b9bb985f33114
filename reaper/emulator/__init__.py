"""The platform again, as a program: a local stand-in for its sessions API, for demos and tests."""

from reaper.emulator.emulator import PROJECT_PATH, Emulator
from reaper.emulator.faults import Fault, FaultError, Faults, parse_faults
from reaper.emulator.in_process import EmulatorTransport
from reaper.emulator.payloads import Request, WireAnswer
from reaper.emulator.platform import Platform
from reaper.emulator.population import populate
from reaper.emulator.stored import AgentVersion, Event, HostedAgent, PlatformError

__all__ = [
    "PROJECT_PATH",
    "AgentVersion",
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
    "WireAnswer",
    "parse_faults",
    "populate",
]
