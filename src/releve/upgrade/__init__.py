"""Move v0.x LiveKit agent code to the v1 framework: rewrite what is certain, flag the rest."""
