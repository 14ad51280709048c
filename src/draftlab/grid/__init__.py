"""A grid of experiments: what its cells are, where they are kept, what they come to. Read without torch.

spec.py         a TOML file with lists -> the grid
cells.py        the grid -> cells, each an experiment of its own with a key
identity.py     what a key is made of: settings, code, prompts, models
folder.py       cells on disk, each whole or not there
measure.py      cells -> speed-ups by machine, acceptance over all of them, the best for each suite
maps.py         those arranged as maps of drafters and draft lengths
terminal.py     those as tables
heat_map.py     those as a plot
page.py         those as a page
"""
