#!/bin/sh
# Make the environment of the audits beside draftlab's own, whose packages it sees.
#
#   sh benchmarks/audits/environment.sh [.venv] [/tmp/peers]
#
# The peers come without their dependencies: those that they import are draftlab's, in draftlab's versions
# (torch, transformers, numpy, pydantic, huggingface-hub, safetensors). specdec also names matplotlib, but imports none.
set -eu

own=$(cd "${1:-.venv}" && pwd)
peers=${2:-/tmp/peers}

"$own/bin/python" -m venv "$peers"
packages='import sysconfig; print(sysconfig.get_path("purelib"))'
echo "import site; site.addsitedir('$("$own/bin/python" -c "$packages")')" \
    > "$("$peers/bin/python" -c "$packages")/draftlab-environment.pth"

"$peers/bin/pip" install --quiet --no-deps \
    flashspec==0.3.1 economize==0.3.2 sequential-speculative-decoding==0.1.1 specdec==0.2.0

"$peers/bin/python" -c "import draftlab, economize, flashspec, seqspecdecod, specdec"
