"""From a picture to a file and back: the network at work, rate control, refinement."""
