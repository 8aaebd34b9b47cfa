"""System of Intelligence: from facts to proposals."""

import os

# LangGraph reads this once, when it is first imported: without it, a checkpoint file may name any Python callable
# and have it run on load. The saver in agents.checkpoints is strict by itself as well, should LangGraph come first.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
