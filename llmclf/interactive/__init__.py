"""Chapter 7, Play: probabilities token by token, the demo, the small model of the page."""
