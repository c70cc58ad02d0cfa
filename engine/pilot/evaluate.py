"""Asks the program what evaluation.txt holds and prints how much was answered rightly: evaluate.py SHUNT [-v]. A block of the
file is a question and one expression for each fact that the answer must contain; what stands behind `--- outside` is to be
declined. The program runs without any configuration, so that the pilot answers."""
import os
import re
import subprocess
import sys
import tempfile

DECLINED = r"only the pilot"


def read(path):
    """[(question, [fact])], the last ones without facts: outside its subject"""
    cases, is_outside = [], False
    with open(path, encoding="utf-8") as file:
        for line in map(str.strip, file):
            if line.startswith("---"):
                is_outside = True
            elif line.startswith("? "):
                cases.append((line[2:], [DECLINED] if is_outside else []))
            elif line.startswith("= "):
                cases[-1][1].append(line[2:])
    return cases


def ask(shunt, question, home):
    """The endpoint by name: what is judged is the model, not the route."""
    done = subprocess.run([shunt, "ask", "-n", "-e", "pilot", question], capture_output=True, text=True, timeout=60, check=False,
                          env={"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"})
    return done.stdout.strip() or done.stderr.strip()


def main():
    shunt, is_verbose = os.path.abspath(sys.argv[1]), "-v" in sys.argv
    cases = read(os.path.join(os.path.dirname(os.path.abspath(__file__)), "evaluation.txt"))
    right = {True: [], False: []}
    with tempfile.TemporaryDirectory() as home:
        for question, facts in cases:
            answer = ask(shunt, question, home)
            is_right = all(re.search(fact, answer, re.I) for fact in facts)
            right[facts == [DECLINED]].append(is_right)
            if is_verbose and not is_right:
                print(f"? {question}\n  {answer}\n  lacks: {[f for f in facts if not re.search(f, answer, re.I)]}")
    for is_outside, name in ((False, "answered rightly"), (True, "outside, declined")):
        n = len(right[is_outside])
        print(f"{name}: {sum(right[is_outside])} of {n} ({100 * sum(right[is_outside]) / n:.1f} %)")


if __name__ == "__main__":
    main()
