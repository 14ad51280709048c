"""First words, behind which a model draws a text of any kind that it knows (as Magpie does; Xu et al. 2024).

A model has seen far more kinds of text than a machine with Python holds. What it draws at temperature 1 is a sample of
them, in its own words, and the prompt of the greedy rest.
"""

from __future__ import annotations

OPENERS = (
    # prose
    "The", "In", "A", "It was", "She", "He", "They", "We", "When", "After", "For", "On", "At", "There is", "This",
    "If", "Many", "Once", "One", "My", "Dear", "Hello", "Title:", "#", "##", "Q:", "Question:", "Summary:", "Abstract",
    "Introduction", "Chapter 1", "Recipe:", "How to", "What is", "Why", "Although", "During", "Scientists",
    "According to", "Passage:", "Letter", "Minutes of the", "Report", "News:", "Review:", "Agenda", "1.", "- ", '"',
    "To:", "Subject:", "Instructions", "Dialogue:", "Poem:", "Interview", "Abstract:", "Step 1:",
    # code
    "import", "from", "def", "class", "async def", "@", "#!/bin/bash\n", "#!/usr/bin/env python3\n", '"""',
    "if __name__", "package main\n", "func", "type", "#include <", "int main(", "struct", "public class",
    "public static", "using System;", "function", "const", "export", "let", "interface", "var", "//", "/*", "/**",
    "SELECT", "CREATE TABLE", "WITH", "-- ", "<!DOCTYPE html>", "<div", "<?php", "fn main()", "use std::", "pub fn",
    "impl", "{\n", "[\n", "name:", "version:", "FROM", "module", "require", "describe(", "import React", "```python\n",
    "```", "# Test", "import pytest\n", "import re\n", "import numpy as np\n", "SELECT COUNT", "regex", "body {",
    "try {",
)  # fmt: skip
