"""The platform's sessions API as a local program with faults to order, for demos and tests."""

from reaper.emulator.emulator import PROJECT_PATH, Emulator
from reaper.emulator.faults import Fault, FaultError, Faults, parse_faults
from reaper.emulator.in_process import EmulatorTransport
from reaper.emulator.payloads import Request, WireAnswer
from reaper.emulator.platform import Platform
from reaper.emulator.platform_error import PlatformError
from reaper.emulator.population import populate
from reaper.emulator.stored import AgentVersion, Event, HostedAgent

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
