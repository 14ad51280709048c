"""A server measured from outside: text in, chunks and counts out. Anything that speaks the OpenAI protocol will do.

client.py       one server: is it healthy, what does it serve, complete this, read its counters
sse.py          the stream of a reply, event by event, within its time
reply.py        a reply as it arrived: chunks with their times, and how many tokens they were
counts.py       what engines tell of speculation -> raw counts, from which our figures are computed
prometheus.py   a page of counters -> numbers; the difference of two pages
trtllm.py       TensorRT-LLM's records of replies -> the same numbers

A chunk is what arrives at once. It is never called a round: a server may send several rounds in one chunk, or one round
in several.
"""
