"""Chapter 7 and Play: probabilities token by token, the demo, the small model of the page."""
