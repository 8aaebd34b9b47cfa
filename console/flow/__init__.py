"""The flow of a sequence, for people: as a picture, as a tree of words, and with how many contacts passed each step."""
