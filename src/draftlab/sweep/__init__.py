"""The cells of a grid, run: on this machine, on a Ray cluster, or through Slurm.

run.py          what is missing is run, each result kept as soon as it is there
cell.py         one cell, run in this process
worker.py       the process of one cell
outcome.py      what became of one
slots.py        where cells run on this machine: GPUs, or shares of the processors
local.py        the processes there
on_ray.py       tasks of a Ray cluster
on_slurm.py     jobs of Slurm, through submitit
"""
