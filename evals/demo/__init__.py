"""The demo: the main job once around, on real purchases, with a labelled simulated market for what comes after."""
