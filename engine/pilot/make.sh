#!/bin/sh
# make.sh SHUNT [RUN [STEPS]] - trains the pilot anew: the help of the program SHUNT, the corpus, the training, pilot.gguf beside this
# script. RUN: a folder for what comes about on the way (pilot-run). Needs python3 with torch, numpy and regex; see README.md.
set -eu
shunt=${1:?make.sh SHUNT [RUN [STEPS]]}
run=${2:-pilot-run}
here=$(dirname "$0")
mkdir -p "$run"
"$shunt" help --passages >"$run/passages.jsonl"
python3 "$here/corpus.py" "$run/passages.jsonl" "$run"
python3 "$here/train.py" "$run" ${3:+"$3"}
python3 "$here/export.py" "$run" "$here/pilot.gguf"
python3 "$here/routing.py" "$run"
