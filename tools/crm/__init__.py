"""Systems that hold a team's record: read page by page, mapped by data, written back by approved steps."""
