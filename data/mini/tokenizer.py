"""Trains the tokenizer of the mini world on its own problems and atlas.

    npm run build
    pip install tokenizers==0.23.3
    python data/mini/tokenizer.py

writes data/mini/tokenizer/. The corpus is drawn from fixed seeds, so the result is always the same.
"""

import json
import subprocess
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

here = Path(__file__).parent
corpus = """
import { atlasQuestions, atlasText, miniProblems } from './dist/lib/data/index.js';
for (const family of ['stories', 'algebra'])
  for (const p of miniProblems({ family, split: 'train', seed: 1, count: 20000 }))
    console.log(JSON.stringify(`${p.question}\\n${p.solution}`));
for (let i = 0; i < 5000; i++) console.log(JSON.stringify(atlasText(1, i)));
for (const q of atlasQuestions('train', 1)) console.log(JSON.stringify(q.question));
"""
lines = subprocess.run(
    ["node", "--input-type=module", "-e", corpus],
    cwd=here.parent.parent,
    check=True,
    capture_output=True,
    text=True,
).stdout.splitlines()

special = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|pad|>"]
tokenizer = Tokenizer(models.BPE())
# Digits stay apart: a small model adds and multiplies digit by digit.
tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=1024,
    special_tokens=special,
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
)
tokenizer.train_from_iterator((json.loads(line) for line in lines), trainer)

folder = here / "tokenizer"
folder.mkdir(exist_ok=True)
tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
(folder / "chat_template.jinja").write_text(
    "{% for message in messages %}"
    "<|{{ message['role'] }}|>{{ message['content'] }}<|end|>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
config = {"eos_token": "<|end|>", "pad_token": "<|pad|>", "tokenizer_class": "PreTrainedTokenizerFast"}
(folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
