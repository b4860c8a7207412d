"""A component's run in Amaranth's simulator."""

from amaranth.sim import Simulator


def simulate(dut, script) -> None:
    """Run the coroutine function `script`, which is given a simulation context."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(script)
    simulator.run()


async def ticks(ctx, count: int) -> None:
    """Wait for `count` clock edges."""
    for _ in range(count):
        await ctx.tick()
