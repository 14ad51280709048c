"""From a run to production: the command or file with which another engine does what the run found to pay.

choice.py        which arm of a run is taken along
plan.py          what an engine has to be told, and what the user has to know
pair.py          what the models' files say: is a padded copy needed, what does the engine make of the pair?
head.py          the same of an EAGLE-3 head: is a completed copy needed, are its layers shown?
command_line.py  words -> a shell command that can be pasted
vllm.py sglang.py llama_cpp.py trtllm.py hugging_face.py   one file an engine
exporters.py     the table of them
document.py      the text with its comments, and the JSON document
run.py           all of it, in this order
"""
