"""A pretrained GPT, turned into a text classifier: the library under the book.

The modules of this folder and of `models` are the core, which chapters 1 to 7 teach. Read them in this order:

- prepare: `data`, `tokenizer`, `loaders`, `models`, `weights`, `generate`, `precision`, `head`;
- measure and fine-tune: `decision`, `evaluate`, `feature_cache`, `single_query`, `practice`, `train`, `checkpoint`;
- and further: `collectives`, `probe`, `lora`;
- use: `classify`; and all of it in one call: `finetune`.

`console` holds errors, notices and progress bars. The other folders are rooms around the core: `files` below it,
`evaluation`, `interactive`, `exchange`, `scale` and `teaching` on top of it, and `cli` above all. Imports go downwards
only.
"""

__version__ = "0.1.0"
