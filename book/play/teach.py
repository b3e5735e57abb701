# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Teach a classifier
#
# Label the texts that it shows you, and it learns from every label. Nothing leaves this computer. Your labels are in
# `output/labels.csv`; the next time you go on where you were.

# %%
from llmclf.data import read_sms
from llmclf.interactive.teach_demo import TeachDemo

TABLE = None  # "make teach TABLE=…" puts a file's name here

TeachDemo(TABLE or read_sms(every_row=True), path="labels.csv", folder="taught")
