"""One seed is one history: users, platform, faults, crashes and the reaper in between."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from typing import Any

from reaper.core.model import TOMBSTONES
from reaper.emulator import AgentVersion, Fault, PlatformError
from reaper.emulator.routing import RoutedCall
from reaper.engine.report import Swept
from tests.clock import EPOCH, loop, run, true_time
from tests.sim.faults import BLINDING, FAULTS
from tests.sim.filed import FiledWorld
from tests.sim.hand import delete_by_hand
from tests.sim.law import DAY_S, ViolationError
from tests.sim.people_hold import Holders
from tests.sim.plot import Plot, draw
from tests.sim.process import Process
from tests.sim.steps import Steps
from tests.sim.voices import Ask, say_something
from tests.sim.world import CANARY, HOUR_S, World

PAGE_SIZE = 7
PAGES_MAX = 40
BURST, BURST_BELOW = 40, 120
"""So many sessions come at once, while there are fewer than that: more would not fit into the pages."""
HELD_BETWEEN = 4
"""So many times as often as right before a read does somebody hold or release between two sweeps."""
HEALTHY_LEAST = 2
"""So many sweeps without faults are made at least, before the journal is looked at."""


class History:
    """A seed being lived through. `live` returns quietly, or raises ViolationError; `told` says what happened."""

    def __init__(self, seed: int, plot: Plot | None = None) -> None:
        self.seed = seed
        self.plot = plot or draw(seed)
        self.chance = random.Random(seed * 7919 + 1)
        self.told: list[str] = []
        self.sweeps = 0
        self._fault, self._lasting = "", 0
        self._races = self.plot.races
        self._calls_left: Iterator[int] = itertools.count()
        self._on_time: Callable[[], object] = lambda: None

    def run(self) -> None:
        """Live through it; the product's own jitter follows the seed too, or each time would be another history."""
        kept = random.getstate()
        random.seed(self.seed)
        try:
            run(self.live)
        finally:
            random.setstate(kept)

    async def live(self) -> None:
        """Sweeps among users, faults and crashes, then a time of health in which what is stale must go."""
        plot = self.plot
        kind = FiledWorld if plot.on_file else World
        self.world = kind(
            law=plot.law,
            agents_count=plot.agents,
            sessions=plot.sessions,
            seed=self.seed,
            canary=plot.canary,
            page_size=PAGE_SIZE,
            pages_max=PAGES_MAX,
            get_tombstones=plot.get_tombstones,
            gone_cursor=plot.gone_cursor,
            full_every_s=plot.full_every_s,
            little_memory=plot.little_memory,
            accepts=plot.accepts,
            plain=plot.plain,
            proven_first=plot.proven_first,
            round_max=plot.round_max,
        )
        async with self.world as world:
            watch = world.on_call

            def on_call(call: RoutedCall) -> None:
                self._race(call)
                if next(self._calls_left, None) is None:
                    self._calls_left = itertools.count()
                    self._on_time()
                watch(call)

            world.emulator.api.on_call = on_call
            world.meanwhile = self._meanwhile
            self._holders = Holders(world, self.chance)
            lives = [world.process() for _ in range(plot.processes)]
            for number in range(plot.sweeps):
                await asyncio.sleep(self.chance.uniform(0.5, 1.5) * plot.every_s)
                self._reload()
                self._people_act()
                turn = number % len(lives)
                lives[turn] = await self._sweep(lives[turn])
            await self._recover(lives[0])

    def _reload(self) -> None:
        later = self.plot.later
        if later is not None and len(self.world.judge.laws) == 1 and true_time() >= later.since:
            self.world.reload(later)

    # People

    def _people_act(self) -> None:
        """Some sessions are used, made, broken, deleted by others; now and then a version is deployed."""
        chance, world = self.chance, self.world
        for agent in world.agents:
            living = [session.id for session in world.living(agent)]
            for _ in range(int(chance.expovariate(1 / max(self.plot.uses * 4, 0.01)))):
                self._one_acts(agent, living)
            if chance.random() < self.plot.bursts and len(living) < BURST_BELOW:
                for _ in range(BURST):
                    world.platform.create(agent)
            if chance.random() < self.plot.breaks:
                for name in living[::3]:
                    self._fail(agent, name)
            if chance.random() < self.plot.deploys:
                self._route(agent)
            if chance.random() < self.plot.voices:
                self._speak(agent)
            if living and chance.random() < self.plot.holds * HELD_BETWEEN:
                self._holders.act(agent, chance.choice(living))
                if not self.plot.on_file:
                    self._holders.configure(agent, living)
        self._use_canary()

    def _speak(self, agent: str) -> None:
        """The agent's developers say something to the reaper, or nothing any more."""
        metadata = say_something(self.chance, true_time())
        self._tell(f"{agent} says {metadata}")
        self.world.say(agent, metadata)

    def _route(self, agent: str) -> None:
        """A version is deployed or taken back, or traffic is spread anew."""
        world, chance, versions = self.world, self.chance, list(self.world.platform.agent(agent).versions)
        roll = chance.random()
        if roll < 0.25 and len(versions) > 1:
            world.take_back(agent)
        elif roll < 0.5 or len(versions) == 1:
            name = f"v{len(world.judge.routes[agent]) + 10}"
            world.deploy(agent, AgentVersion(name, int(true_time()), chance.choice([900, 4 * HOUR_S])))
        else:
            self._spread(agent, versions)

    def _spread(self, agent: str, versions: list[str]) -> None:
        """A canary, a switch, a rollback, no selector any more, or one that nobody understands."""
        world, chance = self.world, self.chance
        one, other = chance.sample(versions[-3:], 2)
        share, kind = chance.choice([0, 10, 50, 100]), "FixedRatio"
        traffic: dict[str, int] | None = {one: 100 - share, other: share}
        match chance.randrange(12):
            case 0 | 1:
                traffic = None
            case 2:
                traffic = {one: 50, "nowhere": 50}
            case 3:
                traffic, kind = {one: 100}, "ByHeader"
            case 4:
                traffic = {one: 90}
        world.route(agent, traffic, kind)
        self._tell(f"traffic of {agent}: {kind} {traffic}")

    def _fail(self, agent: str, name: str) -> None:
        with contextlib.suppress(PlatformError):
            if name != CANARY:
                self.world.platform.fail(agent, name)

    def _use_canary(self) -> None:
        if self.plot.canary:
            with contextlib.suppress(PlatformError):
                self.world.platform.use(self.world.agents[0], CANARY)

    def _one_acts(self, agent: str, living: list[str]) -> None:
        chance, platform = self.chance, self.world.platform
        roll, someone = chance.random(), chance.choice(living) if living else None
        with contextlib.suppress(PlatformError):
            if roll < 0.35 or someone is None:
                prefix = chance.choice(["sess", "vip", "Sess_A"])
                platform.create(agent, f"{prefix}-{chance.randrange(10**8):08d}")
            elif someone == CANARY:
                return
            elif roll < 0.75:
                platform.use(agent, someone)
            elif roll < 0.8:
                platform.fail(agent, someone)
            elif roll < 0.85:
                platform.busy(agent, someone, chance.uniform(1, 48) * HOUR_S)
            elif roll < 0.93:
                platform.delete(agent, someone)
            else:
                platform.delete(agent, someone)
                platform.create(agent, someone)

    def _race(self, call: RoutedCall) -> None:
        """Somebody acts right before the reaper reads. Right before it acts is the window that nothing can close."""
        if call.operation not in {"get", "list", "get_agent"}:
            return
        if self.plot.holds and self.chance.random() < self.plot.holds:
            self._somebody_holds(call)
        if self.chance.random() >= self._races:
            return
        if self.chance.random() < self.plot.deploys:
            self._route(call.agent)
        if self.chance.random() < self.plot.voices:
            self._speak(call.agent)
        if call.operation != "get_agent":
            sessions = self.world.platform.sessions(call.agent)
            living = [] if call.session else [s.id for s in sessions if s.status not in TOMBSTONES]
            self._one_acts(call.agent, [call.session] if call.session else living)

    def _somebody_holds(self, call: RoutedCall) -> None:
        """A person holds the session that is being looked at, or any, or releases another one."""
        living = [call.session] if call.session else [facts.id for facts in self.world.living(call.agent)]
        if living:
            self._holders.act(call.agent, self.chance.choice(living))

    # The reaper

    async def _sweep(self, process: Process) -> Process:
        """One run, perhaps among faults, perhaps cut short by a crash; returns the process that lives on."""
        chance, world = self.chance, self.world
        faults = self._break_something()
        if chance.random() < self.plot.crashes:
            process = world.process(Steps(die_at=chance.randrange(1, 60)))
        elif self._fault == "full_disk":
            process = world.process(Steps(full_at=chance.randrange(1, 60)))
        harmed, mend = self._harm_files(world) if isinstance(world, FiledWorld) else ("", None)
        name = self._fault
        if name in {"suspended", "machine_paused"}:
            self._suspend(process, still=name == "machine_paused")
        blinding = name in BLINDING or (name == "only_own" and self.plot.canary)
        left = chance.randrange(1, 12) if name == "stopping" else 10**9
        told = harmed or (name if blinding else "")
        await world.sweep(process, faults=faults, nothing=told, also=self._by_hand(), stopping=_patience(left))
        process.steps.suspended, loop().on_turn = frozenset(), None
        self._calls_left = itertools.count()
        if mend is not None:
            mend()
        self.sweeps += 1
        if process.steps.dead:
            self._tell(f"killed at step {process.steps.taken}")
        if process.steps.dead or name == "full_disk":
            process = world.process()
        world.clock.error = 0.0
        self._approve()
        return process

    def _suspend(self, process: Process, *, still: bool) -> None:
        """Some times in this sweep, at any step or while everybody waits, time goes on without the process."""
        chance, turns = self.chance, set(self.chance.sample(range(150), self.chance.randrange(3)))
        steps = chance.sample(range(1, 60), chance.randrange(1, 4))
        process.steps.suspended = frozenset(process.steps.taken + step for step in steps)
        passed = iter(range(10**9))

        def suspend() -> None:
            seconds = chance.choice([3, 6, 30, 130, 600]) * chance.uniform(0.9, 1)
            self._tell(f"{'the machine stands still' if still else 'suspended'} for {seconds:.1f} s")
            self.world.leap(seconds, still=still)

        def on_turn() -> None:
            if next(passed) in turns:
                suspend()

        self.world.suspend, loop().on_turn = suspend, on_turn

    def _harm_files(self, world: FiledWorld) -> tuple[str, Callable[[], None] | None]:
        """Something happens to the state's files; returns why nothing may be done then, and what puts it right."""
        if self.chance.random() >= self.plot.on_file:
            return "", None
        harm = self.chance.choice(["moved away", "replaced", "lock removed", "older copy"])
        self._tell(f"state: {harm}")
        if harm == "older copy":
            mend = world.put_older_back()
            return (harm if mend else ""), mend
        self._calls_left = iter(range(self.chance.randrange(30)))
        acts = {"moved away": world.move_away, "replaced": world.replace, "lock removed": world.remove_lock}
        self._on_time = acts[harm]
        return "", world.move_back

    def _meanwhile(self) -> None:
        """While the process is suspended, some come back to their sessions."""
        for agent in self.world.agents:
            living = [facts.id for facts in self.world.living(agent)]
            for _ in range(self.chance.randrange(4)):
                self._one_acts(agent, living)

    def _by_hand(self) -> list[Coroutine[Any, Any, object]]:
        """A person who deletes some sessions while the sweep runs."""
        if self._fault or self.plot.on_file or self.chance.random() >= self.plot.by_hand:
            return []
        agent = self.chance.choice(self.world.agents)
        names = [facts.id for facts in self.world.living(agent) if facts.id != CANARY]
        chosen = self.chance.sample(names, min(len(names), self.chance.randrange(1, 8)))
        self._tell(f"deleted by hand {chosen}")
        return [delete_by_hand(self.world, chosen, agent)]

    def _break_something(self) -> list[Fault]:
        """The faults of this sweep: a new kind, one that stays for some sweeps, or none."""
        if self._lasting:
            self._lasting -= 1
        else:
            self._fault = self.chance.choice(tuple(FAULTS)) if self.chance.random() < self.plot.faults else ""
            self._lasting = self.chance.randrange(self.plot.lasts) if self._fault else 0
        if self._fault == "local_clock":
            self.world.clock.error = self.chance.choice([-1, 1]) * self.chance.uniform(1, 200) * HOUR_S
        if not self._fault:
            return []
        faults = FAULTS[self._fault](self.chance)
        self._tell(f"{self._fault} {faults}")
        return faults

    def _approve(self) -> None:
        """A person approves some of the plans that wait."""
        for report in self.world.heard.latest.values():
            if isinstance(report, Swept) and report.withheld and self.chance.random() < self.plot.approves:
                self.world.disk.steps = Steps()
                self.world.approve(report.plan.id)

    def _tell(self, what: str) -> None:
        self.told.append(f"sweep {self.sweeps}, {true_time() - EPOCH:.0f} s: {what}")

    async def _recover(self, process: Process) -> None:
        """Quiet days with a person who approves: what was overdue before them must be gone after."""
        world, since = self.world, true_time()
        law = world.judge.law(since)
        for agent in world.agents:
            world.say(agent, self.chance.choice([{}, {"reaper.policy": "gentle"}]) if law.gentle else {})
        grace_s = law.agreeing(Ask(gentle=True))[0].grace_s
        self._races, self._lasting = 0.0, 0
        self._holders.leave()
        process.steps.die_at = None  # a death that its own sweep was too short for would come now
        self.plot = replace(self.plot, crashes=0.0, faults=0.0, approves=1.0, by_hand=0.0, on_file=0.0, holds=0.0)
        closed = sum(until - first + 1 for first, until in law.closed_days)
        bound = 4 * (4 + closed + (grace_s + DAY_S) // DAY_S)
        if law.spread:
            bound += 4 * max(len(world.living(agent)) for agent in world.agents)  # one a day at least
        for number in range(bound):
            if number >= HEALTHY_LEAST and not world.stale(since):
                break
            await asyncio.sleep(6 * HOUR_S)
            self._use_canary()
            process = await self._sweep(process)
        if law.allows(law.per_sweep, 100) > 0:
            world.check_gone(since)
        world.check_journal()


def _patience(pages: int) -> Callable[[], str]:
    """What a process is asked to stop by, after it has looked so often."""
    left = iter(range(pages))
    return lambda: "" if next(left, None) is not None else "asked to stop"


def live(seed: int) -> History:
    """Live through one seed; raises ViolationError."""
    history = History(seed)
    history.run()
    return history


__all__ = ["History", "Plot", "ViolationError", "draw", "live"]
