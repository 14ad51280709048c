"""Requests as people write them to an assistant, put together from topics and forms of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

_TOPICS = (
    """
the water cycle|how bread rises|the French Revolution|photosynthesis|a balanced diet|the history of chess|black holes
public libraries|how vaccines work|renewable energy|the Roman Empire|learning a language|coral reefs|the stock market
time management|how airplanes fly|the printing press|a good night's sleep|volcanoes|jazz music|city parks|bees
the moon landing|saving money|gardening in small spaces|the human heart|train travel|a rainy day|friendship|gravity
the Silk Road|remote work|recycling|how computers store numbers|the olympic games|mountain climbing|a lost dog
cooking rice|electric cars|the northern lights|writing a cover letter|ancient Egypt|job interviews|the Great Wall
a lighthouse keeper|the immune system|a broken clock|night trains|sourdough|rivers|maps|an old violin|bicycles|winter
desert animals|public speaking|the speed of light|inflation|earthquakes|tea|a haunted house|robots|school uniforms
honesty|the Renaissance|apples|migration of birds|a village market|sailing|the Internet|paper|glass|whales|deserts
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

_FORMS = (
    "Explain {} to a beginner.",
    "Write a short story about {}.",
    "What are the most important facts about {}?",
    "Give me five tips about {}.",
    "Write a paragraph about {}.",
    "Why does {} matter?",
    "Write a friendly letter to a neighbour about {}.",
    "Compare the advantages and disadvantages of {}.",
    "Write a dialogue between two friends about {}.",
    "Summarize what people know about {} in a few sentences.",
    "Write a poem about {}.",
    "List common misunderstandings about {} and correct them.",
)

_TASKS = (
    """
reverses a linked list|counts the words of a text|checks whether a number is prime|merges two sorted lists
finds duplicates in a list|parses a CSV file|computes the factorial of a number|sorts a dictionary by value
converts Celsius to Fahrenheit|validates an email address|flattens a nested list|implements a stack
implements a queue|reads a configuration file|computes the greatest common divisor|rotates a matrix
finds the longest common prefix|counts vowels in a string|implements binary search|groups records by date
computes a moving average|removes punctuation|generates random passwords|finds anagrams|implements a cache
retries a failing call|formats a table|walks a directory tree|computes a histogram|transposes a matrix
splits a list into chunks|computes edit distance|renders a template|schedules tasks|counts lines of code
draws a bar chart with text|encodes a string in base64|checks balanced brackets|computes compound interest
finds the median of a list|converts roman numerals|implements a priority queue|logs messages to a file
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

_CODE_FORMS = (
    "Write a Python function that {}.",
    "Write a JavaScript function that {}.",
    "Write a Python class that {}, with a docstring and an example.",
    "Show me how to write a program that {} and explain each step.",
    "Write unit tests for a function that {}.",
    "Write a Go function that {}.",
)

_OVER_CODE = (
    "Complete the following Python function:\n\n```python\n{}\n```",
    "Explain what this Python function does:\n\n```python\n{}\n```",
)
_MOST_LINES = 12

_OPENINGS = (
    "# {}\n\n",
    "{}\n\nBy our correspondent\n\n",
    "An essay on {}.\n\n",
    "Q: Tell me about {}.\nA:",
    "Dear editor,\n\nI am writing to you about {}",
    "The following is a short story about {}.\n\n",
    "Notes on {}:\n\n-",
    "Interviewer: Today we talk about {}.\n\nGuest:",
    "Chapter One: {}\n\nIt was",
    "Notice to all residents: {}\n\n",
)
_CODE_OPENINGS = (
    "# A Python module that {}\n\nimport",
    "// A JavaScript module that {}\n\n",
    "package main\n\n// This program {}\n",
    "#!/usr/bin/env bash\n# A script that {}\n",
    "-- A query that {}\n\nSELECT",
    '"""Tests of a class that {}"""\n\nimport pytest\n\n',
)


def requests() -> Iterator[tuple[str, str]]:
    """(topic, request) in a fixed order."""
    for topic, form in product(_TOPICS, _FORMS):
        yield topic.strip(), form.format(topic.strip())
    for task, form in product(_TASKS, _CODE_FORMS):
        yield task.strip(), form.format(task.strip())


def openings() -> Iterator[tuple[str, str]]:
    """(topic, first words of a text), which a model goes on from as from any text."""
    for forms, topics in ((_OPENINGS, _TOPICS), (_CODE_OPENINGS, _TASKS)):
        for topic, form in product(topics, forms):
            yield topic.strip(), form.format(topic.strip())


def over_code(functions: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(source, request) about functions, which are (source, text)."""
    for number, (source, text) in enumerate(functions):
        lines = text.splitlines()[:_MOST_LINES]
        yield source, _OVER_CODE[number % len(_OVER_CODE)].format("\n".join(lines))
