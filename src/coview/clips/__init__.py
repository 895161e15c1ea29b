"""Station 4: views -> clips. Which frames, read by workers as uint8, aligned over all views."""
