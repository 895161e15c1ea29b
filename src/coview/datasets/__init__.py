"""Station 1: who is in it. Layouts read a folder of videos into a listing; a manifest keeps a row a video."""
