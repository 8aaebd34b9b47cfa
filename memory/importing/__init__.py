"""Take in the exports of other tools: recognise, read, check, load, and say what was left out and why."""
