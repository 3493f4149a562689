"""An MCP server whose tool calls are recorded in sessions, and an agent that uses it.

python examples/mcp_tools.py [HOST:PORT]     the agent; it starts the server
python examples/mcp_tools.py --serve         the server alone, over standard input and output

The server's tools know nothing of sessions, and work as well for clients that name none.
"""

import asyncio
import os
import sys
from datetime import timedelta

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.mcpserver import MCPServer

import sojourn
from sojourn.integrations.mcp import SessionRecorder, session_meta

recorder = SessionRecorder(messages=True)  # on the server that SOJOURN_TARGET names
server = MCPServer("shop tools", middleware=[recorder], lifespan=recorder.lifespan, log_level="WARNING")

STOCK = {"umbrella": 3, "kettle": 0}


@server.tool()
def in_stock(article: str) -> int:
    """How many pieces of an article there are."""
    return STOCK[article]


@server.tool()
async def reserve(article: str, card_token: str) -> str:
    """Reserve a piece of an article."""
    await asyncio.sleep(0.05)
    STOCK[article] -= 1
    return f"one {article} is yours"


async def agent(target: str) -> None:
    """Sells an umbrella, and asks for what there is not."""
    tools = StdioServerParameters(command=sys.executable, args=[__file__, "--serve"], env={"SOJOURN_TARGET": target})
    async with sojourn.Client(target, writer="shop-agent") as client, Client(tools) as shop:
        session = await client.create_session(purpose="sell an umbrella", tags=["shop"], user_id="ada")
        meta = session_meta(session.id)
        await session.add_message("user", "An umbrella, please.")
        await shop.call_tool("in_stock", {"article": "umbrella"}, meta=meta)
        await shop.call_tool("reserve", {"article": "umbrella", "card_token": "tok_123"}, meta=meta)
        await shop.call_tool("in_stock", {"article": "teapot"}, meta=meta)  # fails
        await session.add_message("assistant", "Here you are. Teapots we have none.")
        await session.complete()

        async for message in session.messages():
            print(f"{message.tool_name or message.role}: {message.content}")
        stats = await session.statistics()
        took = stats.tool_duration / timedelta(milliseconds=1)
        print(f"{len(stats.tools)} tools, {stats.counters.invocations} invocations in {took:.0f} ms, "
              f"{stats.counters.failed_invocations} failed")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        server.run()
    else:
        asyncio.run(agent(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SOJOURN_TARGET", "localhost:7431")))
