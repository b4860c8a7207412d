"""Names in generated Verilog: modules after component classes, ports after the members of their signatures.

Amaranth names a module after its path and a port after whichever signal it met first. The names given here are the
ones in the documentation, and make the instances of one class the same text, so that they can be merged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count

from amaranth.hdl import Fragment, Signal, Value
from amaranth.hdl._ast import SignalDict
from amaranth.hdl._ir import Design
from amaranth.lib import wiring

__all__ = ["STATES", "ModuleName", "describe_states", "module_names", "plain_names", "rename_signals"]

STATES = "bcsim_states"

ESCAPED = re.compile(r"\\(\S+) ")
IDENTIFIER = re.compile(r"(?<!\\)\b[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class ModuleName:
    """What a module should be called, and the line that says what it is.

    name : a Verilog identifier; modules of the same content may share it.
    title : the first line of the component's docstring, or nothing.
    ports : in the order of the component's signature.
    """

    name: str
    title: str = ""
    ports: tuple[str, ...] = ()


def module_names(design: Design) -> dict[str, ModuleName]:
    """A name for every module of a design, by Amaranth's own name for it."""
    return {
        ".".join(info.name): _module_name(fragment, info.name) for fragment, info in design.fragments.items()
    }


def _module_name(fragment: Fragment, path: tuple[str, ...]) -> ModuleName:
    origin, last = _component(fragment), re.sub(r"\W", "_", path[-1])
    if origin is None:
        return ModuleName(last)
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", type(origin).__name__)
    title = (type(origin).__doc__ or "").partition("\n")[0]
    ports = tuple(name for _, name in _members(fragment, ""))
    return ModuleName("_".join(words).lower() if len(path) > 1 else last, title, ports)


def _component(fragment: Fragment) -> wiring.Component | None:
    origins = fragment.origins or ()
    return next((origin for origin in origins if isinstance(origin, wiring.Component)), None)


def describe_states(fragment: Fragment) -> None:
    """Note at every state register what its numbers mean, in the attribute STATES."""
    for machine in fragment.generated.values():
        states = ", ".join(f"{number} {name}" for name, number in machine.encoding.items())
        machine._data["signal"].attrs[STATES] = states
    for child, _, _ in fragment.subfragments:
        describe_states(child)


def rename_signals(design: Design) -> None:
    """Name the ports of every module after its component's members, and what its children bring after those."""
    for fragment, info in design.fragments.items():
        if info.parent is None:
            ports = ((port, name) for name, port, _ in design.ports)
            wanted = SignalDict((port, name) for port, name in ports if isinstance(port, Signal))
        else:
            wanted = SignalDict(_members(fragment, ""))
        children = [(child, design.fragments[child].name[-1]) for child, _, _ in fragment.subfragments]
        for child, instance in children:
            for signal, name in _members(child, f"{instance}_"):
                wanted.setdefault(signal, name)
        info.signal_names = _renamed(info.signal_names, wanted, {instance for _, instance in children})


def _members(fragment: Fragment, prefix: str) -> Iterator[tuple[Signal, str]]:
    component = _component(fragment)
    if component is None:
        return
    for path, _, value in component.signature.flatten(component):
        signal = Value.cast(value)
        if isinstance(signal, Signal):
            yield signal, prefix + "_".join(map(str, path))


def _renamed(names: SignalDict, wanted: SignalDict, taken: set[str]) -> SignalDict:
    """The same signals, those that are `wanted` first, under distinct plain names."""
    renamed = SignalDict()
    order = [
        *(signal for signal in wanted if signal in names),
        *(signal for signal in names if signal not in wanted),
    ]
    for signal in order:
        base = wanted.get(signal, _plain(names[signal]))
        label = next(each for each in chain([base], (f"{base}_{n}" for n in count(1))) if each not in taken)
        taken.add(label)
        renamed[signal] = label
    return renamed


def _plain(name: str) -> str:
    """A name without the number that Amaranth tells equal names apart by, and without the sign of those it made up."""
    return re.sub(r"^\$|\$\d+$", "", name)


def plain_names(verilog: str) -> str:
    """Verilog without escaped names: a reserved word gets an underscore, a character that no name has becomes one.

    The same name becomes the same everywhere, so that ports still meet their connections.
    """
    taken = set(IDENTIFIER.findall(verilog))
    plain: dict[str, str] = {}
    for name in dict.fromkeys(ESCAPED.findall(verilog)):
        base = re.sub(r"\W", "_", name)
        base = base if base != name else f"{base}_"
        plain[name] = next(
            each for each in chain([base], (f"{base}_{n}" for n in count(1))) if each not in taken
        )
        taken.add(plain[name])
    return ESCAPED.sub(lambda name: plain[name[1]], verilog)
