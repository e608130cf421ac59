"""What each engine can run, its knobs, and the arguments it is started with."""
