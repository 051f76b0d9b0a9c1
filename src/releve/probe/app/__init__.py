"""The app suite: what the Flutter app does with a server and an agent, and what it relies on."""
