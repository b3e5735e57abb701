"""A pretrained GPT, turned into a text classifier: the library under the book.

Read it in the order of the chapters: `assets`, `data`, `tokenizer`, `loaders`, `models`, `weights`, `generate`, `head`,
`frozen`, `evaluate`, `train`, `classify`.
"""

__version__ = "0.1.0"
