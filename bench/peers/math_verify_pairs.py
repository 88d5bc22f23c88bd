"""Math-Verify's verdicts on pairs of answers: [[a, b], ...] on the standard input, JSON on the output."""

import json
import logging
import sys
import time

from math_verify import parse, verify

logging.disable(logging.CRITICAL)


def delimited(answer: str) -> str:
    return answer if "$" in answer or "\\boxed" in answer else f"${answer}$"


def judge(a: str, b: str):
    gold = parse(delimited(a), parsing_timeout=5)
    answer = parse(delimited(b), parsing_timeout=5)
    return verify(gold, answer, timeout_seconds=5)


pairs = json.load(sys.stdin)
verdicts, milliseconds = [], []
for a, b in pairs:
    start = time.perf_counter()
    try:
        verdict = judge(a, b)
    except Exception as error:  # what it raises is its verdict
        verdict = type(error).__name__
    milliseconds.append((time.perf_counter() - start) * 1000)
    verdicts.append(verdict)
json.dump({"verdicts": verdicts, "milliseconds": milliseconds}, sys.stdout)
