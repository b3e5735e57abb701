# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is it spam?
#
# Type a message: two classifiers read it on this computer, and nothing leaves it. Beside the one in
# `output/classifier` stands the student that runs in the book's page *Play*. Neither may decide about anybody's messages.

# %%
from llmclf.classify import TextClassifier
from llmclf.interactive.demo import ClassifierDemo
from llmclf.interactive.student import load_student

ClassifierDemo(TextClassifier.load("classifier"), load_student("../book/play/student.safetensors"))
