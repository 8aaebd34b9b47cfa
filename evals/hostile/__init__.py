"""Attacks on a whole workspace by planted text and a model that obeys all of it, judged by what left."""
